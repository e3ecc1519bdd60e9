"""The directory of namespaces, and what is fixed for the keyspace."""

from syncline_store.engines.cql.session import Statement

ADD = Statement("INSERT INTO {keyspace}.namespaces (tenant, namespace, buckets, fields) VALUES (?, ?, ?, ?) IF NOT EXISTS")
GET = Statement("SELECT buckets, fields FROM {keyspace}.namespaces WHERE tenant = ? AND namespace = ?", serial=True)
LIST = Statement("SELECT namespace, buckets FROM {keyspace}.namespaces WHERE tenant = ? AND namespace >= ? LIMIT ?")
LIST_ON = Statement("SELECT namespace, buckets FROM {keyspace}.namespaces WHERE tenant = ? AND namespace > ? LIMIT ?")
LIST_SETTINGS = Statement("SELECT namespace, buckets, fields FROM {keyspace}.namespaces WHERE tenant = ? AND namespace >= ?")

FIX = Statement("INSERT INTO {keyspace}.properties (name, value) VALUES (?, ?) IF NOT EXISTS")
FIXED = Statement("SELECT value FROM {keyspace}.properties WHERE name = ?", serial=True)
