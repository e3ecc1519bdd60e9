"""The document store: documents in, search out, and an index that follows."""
