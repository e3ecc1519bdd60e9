"""A consumed record as a delivery."""

from dataclasses import replace
from typing import Any

from syncline_store.indexing.delivery import Delivery
from syncline_sync_worker.handler.delivery import Undecodable, decode

KEY = "kafka_key"
"""Where an undecodable record's key is kept, in hex, beside its headers: a dead letter has no field for it."""


def delivery(record: Any) -> Delivery | Undecodable:
    """Read a record (aiokafka's ConsumerRecord) as what it is, whatever bytes stand in it."""
    headers = {name: _text(value) for name, value in record.headers}
    source = f"kafka/{record.topic}/{record.partition}/{record.offset}"
    decoded = decode(record.value or b"", headers, source)
    if isinstance(decoded, Undecodable) and record.key is not None:
        return replace(decoded, headers={**headers, KEY: record.key.hex()})
    return decoded


def _text(value: bytes | None) -> str:
    return "" if value is None else value.decode("utf-8", "backslashreplace")
