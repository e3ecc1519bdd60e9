"""The outbox, and the directory of its minutes."""

from syncline_store.engines.cql.session import Statement

INSERT = Statement(
    "INSERT INTO {keyspace}.outbox "
    "(shard, minute, pos, id, tenant, namespace, key, revision, kind, expires_at, first_at, expects, traceparent) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) USING TTL ?"
)
READ = Statement(
    "SELECT pos, id, tenant, namespace, key, revision, kind, expires_at, first_at, expects, traceparent "
    "FROM {keyspace}.outbox WHERE shard = ? AND minute = ? AND pos > ? AND pos <= ? LIMIT ?"
)
# The key alone: nothing of a row is looked at that a reader who knows it would not need.
PLACES = Statement("SELECT pos FROM {keyspace}.outbox WHERE shard = ? AND minute = ? AND pos > ? AND pos <= ? LIMIT ?")

# Written with the first row of a minute; lives a little longer than its rows.
OPEN_MINUTE = Statement("INSERT INTO {keyspace}.outbox_minutes (shard, minute) VALUES (?, ?) USING TTL ?")
MINUTES = Statement("SELECT minute FROM {keyspace}.outbox_minutes WHERE shard = ? AND minute >= ? AND minute <= ?")
