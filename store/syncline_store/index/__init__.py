"""What is kept in Qdrant, and how it is read and written: always guarded by revision."""
