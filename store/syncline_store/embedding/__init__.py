"""Embedding models behind one Protocol."""
