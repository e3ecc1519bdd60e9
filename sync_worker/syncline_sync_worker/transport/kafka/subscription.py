"""The FastStream broker that feeds one function with batches of raw records."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import structlog
from faststream.kafka import KafkaBroker
from faststream.kafka.message import KafkaAckableMessage, KafkaMessage
from faststream.middlewares import AckPolicy
from faststream.security import BaseSecurity, SASLPlaintext, SASLScram256, SASLScram512

from syncline_sync_worker.transport.kafka.connection import security_options
from syncline_sync_worker.transport.kafka.settings import KafkaSecurity, KafkaSettings

log = structlog.get_logger(__name__)

REBALANCE_MARGIN = 10.0
"""Seconds that joining takes beyond the wait for the batch under way."""
NO_NEWS = "Auto create topics is disabled"
"""FastStream warns of what is set on purpose, at every start."""
_SASL = {"PLAIN": SASLPlaintext, "SCRAM-SHA-256": SASLScram256, "SCRAM-SHA-512": SASLScram512}


class Subscription:
    """A broker with one batch subscriber.

    What is set here on purpose: raw records, parsed by us (FastStream's own parser fails the whole batch on one header that is not
    UTF-8); nothing is acknowledged but by `take` (every other policy acknowledges what failed, or before it is done); a group
    that is new begins with the oldest event (the default is to skip all there is); no topic is made.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        take: Callable[[KafkaMessage], Awaitable[None]],
        *,
        listener: Any,
        failed: Callable[[BaseException], None],
    ) -> None:
        consumer = settings.consumer
        self.broker = KafkaBroker(
            settings.servers,
            client_id=settings.client,
            request_timeout_ms=_ms(settings.request_timeout),
            security=_security(settings.security),
            consumer_only=True,
            allow_auto_create_topics=False,
            apply_types=False,
            graceful_timeout=consumer.stop_within,
            logger=_Log(failed),
        )
        self._subscriber = self.broker.subscriber(
            settings.events.name,
            batch=True,
            group_id=consumer.group,
            group_instance_id=consumer.instance,
            auto_offset_reset="earliest",
            ack_policy=AckPolicy.MANUAL,
            max_records=consumer.max_batch,
            batch_timeout_ms=_ms(consumer.poll),
            max_poll_interval_ms=_ms(consumer.max_poll_interval),
            session_timeout_ms=_ms(consumer.session_timeout),
            heartbeat_interval_ms=_ms(consumer.heartbeat),
            rebalance_timeout_ms=_ms(max(consumer.session_timeout, consumer.revoke_within + REBALANCE_MARGIN)),
            max_partition_fetch_bytes=max(settings.events.largest_record, 1_048_576),
            listener=listener,
            parser=self._parse,
            decoder=_decode,
            no_reply=True,
        )
        self._subscriber(take)

    @property
    def consumer(self) -> Any:
        """The aiokafka consumer, from the broker's start to its stop."""
        return self._subscriber.consumer

    async def _parse(self, records: tuple[Any, ...]) -> KafkaAckableMessage:
        return KafkaAckableMessage(raw_message=records, body=b"", consumer=self.consumer)


async def _decode(message: KafkaMessage) -> KafkaMessage:
    """The function is given the message itself."""
    return message


def _ms(seconds: float) -> int:
    return int(seconds * 1000)


def _security(security: KafkaSecurity) -> BaseSecurity:
    options = security_options(security)
    context = options.get("ssl_context")
    if not security.sasl:
        return BaseSecurity(ssl_context=context, use_ssl=security.tls)
    kind = _SASL[security.mechanism]
    return kind(options["sasl_plain_username"], options["sasl_plain_password"], ssl_context=context, use_ssl=security.tls)


class _Log:
    """FastStream's log lines in ours, and the only place where the errors of its polling show."""

    def __init__(self, failed: Callable[[BaseException], None]) -> None:
        self._failed = failed

    def log(self, level: int, msg: Any, /, *, exc_info: Any = None, extra: Mapping[str, Any] | None = None) -> None:
        """Its news are for debugging; warnings and errors keep their level."""
        if isinstance(exc_info, BaseException):
            self._failed(exc_info)
        shown = logging.DEBUG if level <= logging.INFO or str(msg).startswith(NO_NEWS) else level
        log.log(shown, "kafka consumer", said=str(msg), error=repr(exc_info) if exc_info else None, topic=(extra or {}).get("topic"))
