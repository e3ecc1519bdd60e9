"""Dead letters of documents that cannot be indexed, and their end once they can."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from syncline_contracts.codec import encode
from syncline_contracts.dead_letter import DeadLetter
from syncline_contracts.errors import DocumentRefused
from syncline_store.engines.protocol import DeadLetters
from syncline_store.indexing.coalesce import Coalesced


def letter(work: Coalesced, revision: int, error: DocumentRefused, attempts: int, now: int) -> DeadLetter:
    """The letter of a document that was refused at a revision. It keeps the original bytes; an inline put has none, so it is encoded."""
    body, headers = encode(work.event)
    ref = work.ref
    return DeadLetter(
        document=ref.document,
        tenant=ref.tenant,
        namespace=ref.namespace,
        key=ref.key,
        revision=revision,
        payload=body if work.delivery.body is None else work.delivery.body,
        headers=headers if work.delivery.body is None else dict(work.delivery.headers),
        source=work.delivery.source,
        error=type(error).__name__,
        message=str(error),
        attempts=attempts,
        first_at=now,
        last_at=now,
    )


async def bury(dead_letters: DeadLetters, letters: Sequence[DeadLetter]) -> None:
    """Keep them; durable on return."""
    if letters:
        await dead_letters.add(letters)


async def resolve(dead_letters: DeadLetters, versions: Mapping[UUID, int]) -> None:
    """Close the letters of documents that are indexed now. Each engine finds out cheaply that there are none."""
    if versions:
        await dead_letters.resolve(versions)
