-- The documents, their outbox, and who publishes it.

-- value stands last, so that reading the columns before it never follows an overflow page.
CREATE TABLE documents (
    tenant       TEXT    NOT NULL,
    namespace    TEXT    NOT NULL, -- encoded: identity.encode_namespace
    key          TEXT    NOT NULL,
    document     BLOB    NOT NULL, -- 16 bytes; its first 12 bits are the segment
    revision     INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL,
    ends_at      INTEGER,          -- when expire() removes the row: what a TTL does in CQL
    deleted      INTEGER NOT NULL,
    content_hash BLOB    NOT NULL,
    write_id     BLOB    NOT NULL,
    index_spec   TEXT    NOT NULL,
    created_at   INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL,
    value        TEXT,
    UNIQUE (tenant, namespace, key)
);
CREATE UNIQUE INDEX documents_by_id ON documents (document);
CREATE INDEX documents_by_revision ON documents (revision);
CREATE INDEX documents_that_end ON documents (ends_at) WHERE ends_at IS NOT NULL;

CREATE TABLE namespaces (
    tenant    TEXT    NOT NULL,
    namespace TEXT    NOT NULL,
    buckets   INTEGER NOT NULL,
    fields    TEXT    NOT NULL, -- JSON list of paths
    PRIMARY KEY (tenant, namespace)
) WITHOUT ROWID;

CREATE TABLE outbox (
    shard       INTEGER NOT NULL,
    at          INTEGER NOT NULL,
    tie         BLOB    NOT NULL,
    id          BLOB    NOT NULL,
    tenant      TEXT    NOT NULL,
    namespace   TEXT    NOT NULL,
    key         TEXT    NOT NULL,
    revision    INTEGER NOT NULL,
    kind        TEXT    NOT NULL,
    expires_at  INTEGER NOT NULL,
    first_at    INTEGER NOT NULL,
    expects     BLOB,
    traceparent TEXT,
    PRIMARY KEY (shard, at, tie)
) WITHOUT ROWID;

CREATE TABLE leases (
    shard INTEGER PRIMARY KEY,
    owner TEXT    NOT NULL, -- '' once released
    epoch INTEGER NOT NULL,
    until INTEGER NOT NULL,
    mark  BLOB              -- 8 bytes of time, then the tie: sorts as Pos does
);

CREATE TABLE dead_letters (
    id        BLOB    PRIMARY KEY,
    document  BLOB,
    tenant    TEXT,
    namespace TEXT,
    key       TEXT,
    revision  INTEGER,
    payload   BLOB    NOT NULL,
    headers   TEXT    NOT NULL, -- JSON object
    source    TEXT    NOT NULL,
    error     TEXT    NOT NULL,
    message   TEXT    NOT NULL,
    attempts  INTEGER NOT NULL,
    first_at  INTEGER NOT NULL,
    last_at   INTEGER NOT NULL,
    closed    TEXT,
    closed_at INTEGER,
    note      TEXT
);
CREATE UNIQUE INDEX dead_letters_one_open ON dead_letters (document) WHERE closed IS NULL AND document IS NOT NULL;
CREATE INDEX dead_letters_in_order ON dead_letters (first_at, id);

-- What is fixed when the file is made.
CREATE TABLE properties (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;
