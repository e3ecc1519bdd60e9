"""The documents' table."""

from syncline_store.engines.cql.session import Statement

# Every write writes every column at the revision, so that a row is never a mix of two writes. TTL 0 is none.
PUT = Statement(
    "UPDATE {keyspace}.documents USING TIMESTAMP ? AND TTL ? SET expires_at = ?, updated_at = ?, write_id = ?, content_hash = ?, "
    "index_spec = ?, value = ?, deleted = ?, ttl = ? WHERE tenant = ? AND namespace = ? AND bucket = ? AND key = ?"
)

# Its timestamp decreases with time, so that the earliest write's value stays.
CREATED = Statement(
    "UPDATE {keyspace}.documents USING TIMESTAMP ? AND TTL ? SET created_at = ? "
    "WHERE tenant = ? AND namespace = ? AND bucket = ? AND key = ?"
)

# Who reads a partition knows its tenant and namespace.
_COLUMNS = "key, WRITETIME(deleted), value, content_hash, write_id, deleted, index_spec, expires_at, created_at, updated_at"

READ = Statement(
    f"SELECT {_COLUMNS} FROM {{keyspace}}.documents WHERE tenant = ? AND namespace = ? AND bucket = ? AND key IN ?"  # noqa: S608 - names of columns
)
SCAN = Statement(
    f"SELECT {_COLUMNS} FROM {{keyspace}}.documents WHERE tenant = ? AND namespace = ? AND bucket = ? LIMIT ?"  # noqa: S608 - names of columns
)
SCAN_ON = Statement(
    f"SELECT {_COLUMNS} FROM {{keyspace}}.documents WHERE tenant = ? AND namespace = ? AND bucket = ? AND key > ? LIMIT ?"  # noqa: S608 - names of columns
)

# What a partition comes to.
AMOUNT = Statement(
    "SELECT deleted, expires_at, value FROM {keyspace}.documents WHERE tenant = ? AND namespace = ? AND bucket = ?", scan=True
)

# Whole segments; the token tells a row's segment.
HEADS = Statement(
    "SELECT tenant, namespace, key, TOKEN(tenant, namespace, bucket), WRITETIME(deleted), content_hash, expires_at, deleted, index_spec "
    "FROM {keyspace}.documents WHERE TOKEN(tenant, namespace, bucket) >= ? AND TOKEN(tenant, namespace, bucket) <= ?",
    scan=True,
)

# For an estimate: how many rows a part of the ring holds.
COUNTED = Statement(
    "SELECT TOKEN(tenant, namespace, bucket), WRITETIME(deleted) FROM {keyspace}.documents WHERE TOKEN(tenant, namespace, bucket) >= ?",
    scan=True,
)
SIZES = Statement(
    "SELECT mean_partition_size, partitions_count FROM system.size_estimates WHERE keyspace_name = ? AND table_name = 'documents'"
)
