"""Conditional writes of documents. Their write timestamp is the servers': a condition and USING TIMESTAMP exclude each other."""

from syncline_store.engines.cql.session import Statement
from syncline_store.engines.cql.statements import documents

# Every column but created_at, which has a timestamp of its own. A row of which only created_at is left counts as none, so the condition
# for none is a null write_id, not IF NOT EXISTS.
_REPLACE = (
    "UPDATE {keyspace}.documents USING TTL ? SET expires_at = ?, updated_at = ?, write_id = ?, content_hash = ?, "
    "index_spec = ?, value = ?, deleted = ?, ttl = ? WHERE tenant = ? AND namespace = ? AND bucket = ? AND key = ? IF write_id = "
)
REPLACE = Statement(f"{_REPLACE}?")
CREATE = Statement(f"{_REPLACE}null")

READ = Statement(documents.READ.text, serial=True)
