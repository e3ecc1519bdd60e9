"""Numbered migrations: the version and a word make the name. A migration that was released is never changed."""
