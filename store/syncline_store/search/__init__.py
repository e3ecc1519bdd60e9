"""From a question to documents as the source holds them now."""
