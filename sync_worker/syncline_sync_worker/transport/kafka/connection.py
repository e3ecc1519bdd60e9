"""What all clients of one cluster have in common, and why a cluster does not answer."""

import ssl
from collections.abc import Mapping
from typing import Any

from aiokafka.client import create_conn
from aiokafka.helpers import create_ssl_context

from syncline_contracts.errors import ConfigurationError, SynclineError
from syncline_sync_worker.transport.kafka.errors import KAFKA, is_permanent, translate
from syncline_sync_worker.transport.kafka.settings import KafkaSecurity, KafkaSettings


def client_options(settings: KafkaSettings) -> dict[str, Any]:
    """Keyword arguments of every aiokafka client. Raises ConfigurationError for a certificate that cannot be read."""
    return {
        "bootstrap_servers": settings.servers,
        "client_id": settings.client,
        "request_timeout_ms": int(settings.request_timeout * 1000),
        **security_options(settings.security),
    }


def security_options(security: KafkaSecurity) -> dict[str, Any]:
    """The part of it that says how to connect, and as whom."""
    options: dict[str, Any] = {"security_protocol": security.protocol}
    if security.tls:
        options["ssl_context"] = _ssl_context(security)
    if security.sasl and security.password is not None:
        options |= {
            "sasl_mechanism": security.mechanism,
            "sasl_plain_username": security.username,
            "sasl_plain_password": security.password.get_secret_value(),
        }
    return options


async def why_unreachable(settings: KafkaSettings, doing: str, error: BaseException) -> SynclineError:
    """Connect once more to learn why: aiokafka's clients keep a wrong password or certificate to themselves.

    Gives a ConfigurationError when a server refuses us for good, else what `error` is.
    """
    options = _connection_options(client_options(settings))
    for server in settings.servers:
        host, _, port = server.rpartition(":")
        try:
            connection = await create_conn(host.strip("[]"), int(port), **options)
        except KAFKA as refused:
            if is_permanent(refused):
                return translate(refused, f"connect to Kafka at {server}")
        else:
            await connection.close()
    return translate(error, doing)


def _connection_options(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name != "bootstrap_servers"}


def _ssl_context(security: KafkaSecurity) -> ssl.SSLContext:
    password = security.key_password
    try:
        context = create_ssl_context(
            cafile=_text(security.ca_file),
            certfile=_text(security.certificate_file),
            keyfile=_text(security.key_file),
            password=None if password is None else password.get_secret_value(),
        )
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(
            f"the certificates for Kafka cannot be read ({error}): check ca_file, certificate_file, key_file and key_password"
        ) from error
    if not isinstance(context, ssl.SSLContext):
        raise TypeError("aiokafka made no SSL context")
    return context


def _text(path: object) -> str | None:
    return None if path is None else str(path)
