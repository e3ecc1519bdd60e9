"""A line, a document: .jsonl files, read a line at a time, however long the file is. Those that an export wrote say so first."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NoReturn

from syncline_contracts.errors import InvalidInput
from syncline_contracts.identity import Namespace
from syncline_contracts.revision import NEVER
from syncline_store.exported import Exported, OtherVersion, is_header
from syncline_sync_worker.imports.item import MAX_BYTES, Item, Problem, Unreadable

ENVELOPE_BYTES = 100_000
"""What an exported line may hold beside the value."""


def read_jsonl(path: Path, namespace: Namespace, *, key_field: str, text_field: str | None) -> Iterator[Item | Problem]:
    """Yield each line's object, or the problem with it under its number (``people.jsonl:12``). Empty lines are passed over.

    An export's documents are what they were, wherever the file lies: namespace and fields are its own.
    """

    def plain(value: dict[str, Any], origin: str, size: int) -> Item:
        index = None if text_field is None else (text_field,)
        return Item(namespace, _key(value, key_field), _with_text(value, text_field), origin, index, size=size)

    as_item = plain
    try:
        with path.open("rb") as file:
            for number, line in enumerate(_lines(file), start=1):
                if line is not None and not line.strip():
                    continue
                origin = f"{path}:{number}"
                try:
                    value = _object(line)
                    if number == 1 and is_header(value):
                        as_item = _exported
                    else:
                        yield as_item(value, origin, len(line or b""))
                except OtherVersion as error:
                    yield Problem(origin, str(error))
                    return
                except (Unreadable, InvalidInput) as error:
                    yield Problem(origin, str(error))
    except OSError as error:
        yield Problem(str(path), f"cannot be read: {error.strerror}")


def _exported(value: dict[str, Any], origin: str, size: int) -> Item:
    one = Exported.of(value)
    expires_at = NEVER if one.expires_at is None else one.expires_at
    return Item(one.namespace, one.key, one.value, origin, one.index, size=size, expires_at=expires_at)


def _lines(file: IO[bytes]) -> Iterator[bytes | None]:
    """Yield lines; None for one that is too long, which is passed over without being held in memory."""
    most = MAX_BYTES + ENVELOPE_BYTES
    while line := file.readline(most + 1):
        if len(line) <= most:
            yield line
            continue
        while line and not line.endswith(b"\n"):
            line = file.readline(most)
        yield None


def _object(line: bytes | None) -> dict[str, Any]:
    if line is None:
        raise Unreadable(f"it is longer than a document may be ({MAX_BYTES:,} bytes)")
    try:
        value = json.loads(line.decode("utf-8-sig"), parse_constant=_no_constant)
    except UnicodeDecodeError as error:
        raise Unreadable(f"it is not UTF-8 text (byte 0x{line[error.start]:02x} at {error.start})") from None
    except json.JSONDecodeError as error:
        raise Unreadable(f"it is not JSON ({error.msg} at column {error.colno})") from None
    except RecursionError:
        raise Unreadable("it is nested too deeply") from None
    if not isinstance(value, dict):
        raise Unreadable(f"it is a JSON {type(value).__name__}, not an object")
    return value


def _no_constant(name: str) -> NoReturn:
    raise Unreadable(f"{name} is no JSON value")


def _key(value: dict[str, Any], key_field: str) -> str:
    key = value.get(key_field)
    if isinstance(key, bool) or not isinstance(key, str | int) or key == "":
        found = f"{key_field!r} is {json.dumps(key)[:40]}" if key_field in value else f"there is no field {key_field!r}"
        raise Unreadable(f"{found}: a key is a text or a number (--key-field names another field)")
    return str(key)


def _with_text(value: dict[str, Any], text_field: str | None) -> dict[str, Any]:
    if text_field is not None and not isinstance(value.get(text_field), str):
        raise Unreadable(f"there is no text in the field {text_field!r} (--text-field names another)")
    return value
