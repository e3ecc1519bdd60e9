"""From a question to documents as the source holds them now.

Imports qdrant-client, which takes seconds: the store loads this at the first search.
"""
