"""What crosses a process boundary: identities, revisions, events, dead letters, drift, errors.

Nothing here does input or output, and nothing here knows a database, a broker or an index.
"""
