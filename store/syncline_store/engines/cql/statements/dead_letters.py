"""The dead letters, the open letter of each document, and the order of the listings."""

from syncline_store.engines.cql.session import Statement

COLUMNS = (
    "id, document, tenant, namespace, key, revision, payload, headers, source, error, message, attempts, first_at, last_at, "
    "closed, closed_at, note"
)
_MARKS = ", ".join("?" for _ in COLUMNS.split(","))

ADD = Statement(f"INSERT INTO {{keyspace}}.dead_letters ({COLUMNS}) VALUES ({_MARKS}) IF NOT EXISTS")  # noqa: S608 - names of columns
GET = Statement(f"SELECT {COLUMNS} FROM {{keyspace}}.dead_letters WHERE id = ?", serial=True)  # noqa: S608 - names of columns

# A further failure takes the open letter's place, unless somebody closed it or added to it meanwhile.
MERGE = Statement(
    "UPDATE {keyspace}.dead_letters "
    "SET revision = ?, payload = ?, headers = ?, source = ?, error = ?, message = ?, attempts = ?, last_at = ? "
    "WHERE id = ? IF closed = null AND attempts = ?"
)
# A closed letter ends by its TTL, which every cell has to have, and the row itself: hence the second statement.
_CELLS = ", ".join(f"{name.strip()} = ?" for name in COLUMNS.split(",")[1:])
_ENDING = f"UPDATE {{keyspace}}.dead_letters USING TTL ? SET {_CELLS} WHERE id = ? IF closed = null AND attempts = ?; "  # noqa: S608 - names of columns
CLOSE = Statement(f"BEGIN BATCH {_ENDING}INSERT INTO {{keyspace}}.dead_letters (id) VALUES (?) USING TTL ?; APPLY BATCH")  # noqa: S608 - as above

CLAIM = Statement("INSERT INTO {keyspace}.dead_letters_of_documents (part, document, letter) VALUES (0, ?, ?) IF NOT EXISTS")
CLAIM_AFTER = Statement("UPDATE {keyspace}.dead_letters_of_documents SET letter = ? WHERE part = 0 AND document = ? IF letter = ?")
UNCLAIM = Statement("DELETE FROM {keyspace}.dead_letters_of_documents WHERE part = 0 AND document = ? IF letter = ?")
# The claim of a letter that was discarded ends with it; CLAIM_AFTER, with the same letter, keeps it for an open one.
CLAIM_UNTIL = Statement(
    "BEGIN BATCH "
    "UPDATE {keyspace}.dead_letters_of_documents USING TTL ? SET letter = ? WHERE part = 0 AND document = ? IF letter = ?; "
    "INSERT INTO {keyspace}.dead_letters_of_documents (part, document) VALUES (0, ?) USING TTL ?; "
    "APPLY BATCH"
)
OF_DOCUMENTS = Statement("SELECT letter FROM {keyspace}.dead_letters_of_documents WHERE part = 0 AND document IN ?")

IN_ORDER = Statement("INSERT INTO {keyspace}.dead_letters_in_order (part, first_at, id) VALUES (?, ?, ?)")
IN_ORDER_UNTIL = Statement("INSERT INTO {keyspace}.dead_letters_in_order (part, first_at, id) VALUES (1, ?, ?) USING TTL ?")
NO_LONGER_OPEN = Statement("DELETE FROM {keyspace}.dead_letters_in_order WHERE part = 0 AND first_at = ? AND id = ?")
LIST = Statement("SELECT first_at, id FROM {keyspace}.dead_letters_in_order WHERE part = ? LIMIT ?")
LIST_ON = Statement("SELECT first_at, id FROM {keyspace}.dead_letters_in_order WHERE part = ? AND (first_at, id) > (?, ?) LIMIT ?")

REMEMBER = Statement(
    "INSERT INTO {keyspace}.dead_letters_reasons (letter, at, revision, error, message, attempts) VALUES (?, ?, ?, ?, ?, ?) USING TTL ?"
)
REASONS = Statement("SELECT at, revision, error, message, attempts FROM {keyspace}.dead_letters_reasons WHERE letter = ? LIMIT ?")
