"""The audit: a partition a day, read from a place in the direction asked."""

from syncline_store.engines.cql.session import Statement

COLUMNS = "id, at, who, action, tenant, namespace, key, details, outcome"

INSERT = Statement(f"INSERT INTO {{keyspace}}.audit (day, {COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) USING TTL ?")  # noqa: S608 - names of columns
BACK = Statement(f"SELECT {COLUMNS} FROM {{keyspace}}.audit WHERE day = ? AND (at, id) < (?, ?) ORDER BY at DESC, id DESC LIMIT ?")  # noqa: S608 - names of columns
ON = Statement(f"SELECT {COLUMNS} FROM {{keyspace}}.audit WHERE day = ? AND (at, id) > (?, ?) ORDER BY at ASC, id ASC LIMIT ?")  # noqa: S608 - names of columns
