"""A consumed record as a delivery."""

from dataclasses import replace
from typing import Any

from syncline_store.indexing.delivery import Delivery
from syncline_sync_worker.handler.delivery import Undecodable, decode

KEY = "kafka_key"
"""Where an undecodable record's key is kept, in hex, beside its headers: a dead letter has no field for it."""
HEX = "hex:"
"""Begins the text of a header whose bytes are no UTF-8."""


def delivery(record: Any) -> Delivery | Undecodable:
    """Read a record (aiokafka's ConsumerRecord) as what it is, whatever bytes stand in it."""
    headers = {name: header_text(value) for name, value in record.headers}
    source = f"kafka/{record.topic}/{record.partition}/{record.offset}"
    decoded = decode(record.value or b"", headers, source)
    if isinstance(decoded, Undecodable) and record.key is not None:
        return replace(decoded, headers={**headers, KEY: record.key.hex()})
    return decoded


def header_text(value: bytes | None) -> str:
    """Any bytes as text that `header_bytes` turns back: as UTF-8 where they are that, else in hex."""
    try:
        text = (value or b"").decode()
    except UnicodeDecodeError:
        return HEX + (value or b"").hex()
    return HEX + text.encode().hex() if text.startswith(HEX) else text


def header_bytes(text: str) -> bytes:
    """The bytes that a header's text stands for."""
    if not text.startswith(HEX):
        return text.encode()
    try:
        return bytes.fromhex(text.removeprefix(HEX))
    except ValueError:
        return text.encode()
