"""Settings of the CQL engine: what is refused, and what a message says."""

import ssl
from pathlib import Path

import pytest
from pydantic import ValidationError

from syncline_contracts.errors import ConfigurationError
from syncline_store.engines.cql.connecting import tls_context
from syncline_store.settings.cql import CqlSettings, ReplicationSettings, TlsSettings, cql_settings


@pytest.mark.parametrize(
    ("url", "hosts", "port", "keyspace"),
    [
        ("cql://db/app", ("db",), 9042, "app"),
        ("cql://db:9043/app", ("db",), 9043, "app"),
        ("cql://a,b,c/app_1", ("a", "b", "c"), 9042, "app_1"),
        ("cql://a:19042,b:19042/app", ("a", "b"), 19042, "app"),
        ("cql://a:19042,b/app", ("a", "b"), 19042, "app"),
        ("cql://[::1]:9043/app", ("::1",), 9043, "app"),
        ("cql://[::1]/app", ("::1",), 9042, "app"),
    ],
)
def test_an_address_is_read(url: str, hosts: tuple[str, ...], port: int, keyspace: str) -> None:
    found = cql_settings(url)
    assert (found.hosts, found.port, found.keyspace) == (hosts, port, keyspace)


@pytest.mark.parametrize(
    ("url", "named"),
    [
        ("cql://db", "url"),
        ("cql:///app", "url"),
        ("cql://user:secret@db/app", "url"),
        ("cql://db/app?x=1", "url"),
        ("cql://a:1,b:2/app", "port"),
        ("cql://db:x/app", "port"),
        ("cql://db:0/app", "port"),
        ("cql://db/App", "keyspace"),
        ("cql://db/a-b", "keyspace"),
        ("cql://db/" + "a" * 49, "keyspace"),
    ],
)
def test_a_wrong_address_names_what_is_wrong(url: str, named: str) -> None:
    with pytest.raises(ConfigurationError, match=named) as caught:
        cql_settings(url)
    assert "secret" not in str(caught.value)


def test_keywords_say_the_rest() -> None:
    found = cql_settings("cql://db/app", user="me", password="secret", replication={"factors": {"dc1": 3, "dc2": 2}})  # noqa: S106 - of nobody
    assert found.password is not None
    assert "secret" not in repr(found)
    assert found.replication.in_cql("dc9") == "{'class': 'NetworkTopologyStrategy', 'dc1': 3, 'dc2': 2}"


@pytest.mark.parametrize(
    "given",
    [
        {"user": "me"},
        {"password": "x"},
        {"consistency": "EACH"},
        {"hosts": []},
        {"batch_bytes": 10},
        {"outbox_life": 60},
        {"tls": {"key": "k"}},
    ],
)
def test_settings_that_cannot_work_are_refused(given: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError):
        cql_settings("cql://db/app", **given)


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        CqlSettings().keyspace = "other"  # type: ignore[misc]  # that is what is tested


def test_replication_is_by_datacentre_unless_told_otherwise() -> None:
    assert ReplicationSettings().in_cql("east") == "{'class': 'NetworkTopologyStrategy', 'east': 3}"
    assert ReplicationSettings(strategy="SimpleStrategy", factor=1).in_cql("east") == "{'class': 'SimpleStrategy', 'replication_factor': 1}"
    assert ReplicationSettings(factors={"o'dc": 1}).in_cql("east") == "{'class': 'NetworkTopologyStrategy', 'o''dc': 1}"


def test_certificates_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    for tls in (
        TlsSettings(ca=tmp_path / "none.pem"),
        TlsSettings(ca=tmp_path / "ca.pem"),
        TlsSettings(certificate=tmp_path / "ca.pem", key=tmp_path / "ca.pem"),
    ):
        with pytest.raises(ConfigurationError, match="tls"):
            tls_context(tls)


def test_certificates_are_always_verified() -> None:
    context = tls_context(TlsSettings(check_hostname=False))
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert tls_context(TlsSettings()).check_hostname
