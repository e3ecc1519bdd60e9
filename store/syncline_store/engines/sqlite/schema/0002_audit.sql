-- Who did what, and why a document failed each time.

CREATE TABLE audit (
    at        INTEGER NOT NULL,
    id        BLOB    NOT NULL,
    who       TEXT    NOT NULL,
    action    TEXT    NOT NULL,
    tenant    TEXT,
    namespace TEXT,             -- encoded: identity.encode_namespace
    key       TEXT,
    details   TEXT    NOT NULL, -- JSON object
    outcome   TEXT    NOT NULL,
    PRIMARY KEY (at, id)
) WITHOUT ROWID;

-- The last failures of a letter; the letter itself holds the very last.
CREATE TABLE dead_letters_reasons (
    letter   BLOB    NOT NULL,
    at       INTEGER NOT NULL,
    revision INTEGER,
    error    TEXT    NOT NULL,
    message  TEXT    NOT NULL,
    attempts INTEGER NOT NULL,
    PRIMARY KEY (letter, at)
) WITHOUT ROWID;
