"""Settings of the Kafka transport: what cannot work is refused before anything connects, and says how it would."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka import errors
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from syncline_contracts.errors import ConfigurationError, TransportUnavailable
from syncline_sync_worker.transport.kafka import KafkaSecurity, KafkaSettings
from syncline_sync_worker.transport.kafka.asyncapi import asyncapi
from syncline_sync_worker.transport.kafka.connection import client_options
from syncline_sync_worker.transport.kafka.errors import translate
from syncline_sync_worker.transport.kafka.records import header_bytes, header_text

SASL = {"protocol": "SASL_SSL", "username": "u", "password": "p"}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"bootstrap_servers": "kafka"}, "host:port"),
        ({"bootstrap_servers": "http://kafka:9092"}, "host:port"),
        ({"bootstrap_servers": "a:1,,b:2"}, "host:port"),
        ({"security": {"protocol": "SASL_SSL"}}, "needs username and password"),
        ({"security": {"username": "u", "password": "p"}}, "did you mean SASL_SSL"),
        ({"security": {"ca_file": "ca.pem"}}, "did you mean SSL"),
        ({"security": {"protocol": "SSL", "key_file": "k.pem"}}, "needs certificate_file"),
        ({"events": {"name": "same"}, "dead_letters": {"name": "same"}}, "different topics"),
        ({"events": {"name": "no spaces"}}, "pattern"),
        ({"events": {"largest_record": 1000}}, "max_batch_bytes"),
        ({"events": {"largest_record": 5_000_000}}, "dead_letters.largest_record"),
        ({"consumer": {"heartbeat": 20}}, "a third of session_timeout"),
        ({"consumer": {"session_timeout": 1000}}, "must not exceed max_poll_interval"),
        ({"partitons": 3}, "Extra inputs"),
    ],
)
def test_what_cannot_work_is_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        KafkaSettings.model_validate(given)


def test_every_setting_is_documented_and_no_other() -> None:
    page = (Path(__file__).parents[2] / "docs" / "kafka.md").read_text()
    table = page[page.index("## Settings") : page.index("## Speed")]
    named = {name for row in table.splitlines() for name in re.findall(r"`([a-z_.]+)`", row.split("|")[1] if row.startswith("|") else "")}
    assert named == set(names(KafkaSettings))


def names(model: type[BaseModel]) -> Iterator[str]:
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from (f"{name}.{inner}" for inner in names(field.annotation))
        else:
            yield name


def test_secrets_show_nowhere() -> None:
    settings = KafkaSettings.model_validate({"security": SASL | {"password": "hush"}})
    assert "hush" not in repr(settings) + str(settings) + settings.model_dump_json() + asyncapi(settings)
    with pytest.raises(ValidationError) as caught:
        KafkaSettings.model_validate({"security": {"password": "hush"}})
    assert "hush" not in str(caught.value)


def test_they_reach_the_client() -> None:
    options = client_options(KafkaSettings.model_validate({"bootstrap_servers": "a:1, b:2", "security": SASL | {"mechanism": "PLAIN"}}))
    assert options["bootstrap_servers"] == ["a:1", "b:2"]
    assert (options["security_protocol"], options["sasl_mechanism"]) == ("SASL_SSL", "PLAIN")
    assert (options["sasl_plain_username"], options["sasl_plain_password"]) == ("u", "p")
    assert options["ssl_context"].check_hostname


def test_a_certificate_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    for name in ("ca.pem", "none.pem"):
        with pytest.raises(ConfigurationError, match="ca_file"):
            client_options(KafkaSettings(security=KafkaSecurity(protocol="SSL", ca_file=tmp_path / name)))


@pytest.mark.parametrize("replication", [1, 2, 3])
def test_one_replica_may_be_missing(replication: int) -> None:
    assert KafkaSettings.model_validate({"events": {"replication": replication}}).events.min_insync == max(1, replication - 1)


PERMANENT = {
    errors.SaslAuthenticationFailed: "password",
    errors.UnsupportedSaslMechanismError: "mechanism",
    errors.TopicAuthorizationFailedError: "right",
    errors.GroupAuthorizationFailedError: "right",
    errors.MessageSizeTooLargeError: "max.message.bytes",
    errors.UnknownTopicOrPartitionError: "syncline migrate",
    errors.UnsupportedVersionError: "version",
}
PASSING = [
    errors.KafkaConnectionError,
    errors.RequestTimedOutError,
    errors.NotLeaderForPartitionError,
    errors.NotEnoughReplicasError,
    errors.OutOfOrderSequenceNumber,
    errors.ProducerClosed,
    errors.KafkaTimeoutError,
    ConnectionResetError,
    TimeoutError,
]


@pytest.mark.parametrize("kind", PERMANENT, ids=lambda kind: kind.__name__)
def test_what_waiting_cannot_mend_names_the_remedy(kind: type[Exception]) -> None:
    told = translate(kind("x"), "publish")
    assert isinstance(told, ConfigurationError)
    assert PERMANENT[kind] in str(told)


@pytest.mark.parametrize("kind", PASSING, ids=lambda kind: kind.__name__)
def test_what_passes_is_unavailable(kind: type[Exception]) -> None:
    assert isinstance(translate(kind("x"), "publish"), TransportUnavailable)


@given(st.binary(max_size=40))
def test_a_header_s_bytes_survive_the_dead_letter(value: bytes) -> None:
    assert header_bytes(header_text(value)) == value


@given(st.text(max_size=20).map(lambda text: f"hex:{text}"))
def test_so_do_those_that_look_like_hex(text: str) -> None:
    assert header_bytes(header_text(text.encode())) == text.encode()


def test_the_asyncapi_document_names_topic_and_fields() -> None:
    document = json.loads(asyncapi(KafkaSettings()))
    assert document["asyncapi"] == "3.0.0"
    text = json.dumps(document)
    assert "syncline.events" in text
    assert all(f'"{field}"' in text for field in ("tenant", "namespace", "key", "revision", "kind", "first_at"))
