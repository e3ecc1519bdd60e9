"""What is kept in Qdrant, and how it is read and written: always guarded by revision.

qdrant-client takes seconds to import, so only what connects does (`index.index` and what is below it); values do not.
"""
