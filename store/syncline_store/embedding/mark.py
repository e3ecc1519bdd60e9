"""What makes the vectors of one model different ones, as a suffix of its id."""

import hashlib
import json

from syncline_store.settings import EmbeddingSettings

_BYTES = 4


def mark(settings: EmbeddingSettings, dimensions: int) -> str:
    """Empty where documents are given to the model as they are: a shortened length, and a hash of what is said beside the text."""
    length = f"-{dimensions}" if settings.shorten else ""
    said = [settings.document_prefix, settings.document_fields]
    if not any(said):
        return length
    return f"{length}+{hashlib.blake2b(json.dumps(said, sort_keys=True).encode(), digest_size=_BYTES).hexdigest()}"
