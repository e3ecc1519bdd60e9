"""The frame of a process: its answers over HTTP, its log lines, its ends."""

import asyncio
import io
import json
import logging
import socket
import time
from collections.abc import Iterator

import httpx
import pytest
import structlog
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr

from syncline_contracts.errors import ConfigurationError
from syncline_sync_worker.config import Configuration, HttpSettings, LogSettings
from syncline_sync_worker.observability import health as healths
from syncline_sync_worker.observability import logs
from syncline_sync_worker.observability.health import Health, Report
from syncline_sync_worker.observability.http import answering, listen
from syncline_sync_worker.processes import serving
from syncline_sync_worker.transport.kafka import KafkaSecurity, KafkaSettings
from tests.parts.consuming import until

SECRET = 'pl"anted-s\u00e9cret'  # noqa: S105 - it is planted, to be looked for


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    yield
    structlog.reset_defaults()
    root = logging.getLogger()
    root.handlers[:] = [handler for handler in root.handlers if not isinstance(handler, logs._Libraries)]
    root.setLevel(logging.WARNING)
    logging.captureWarnings(capture=False)


def configuration(**changes: object) -> Configuration:
    return Configuration.model_validate(
        {"kafka": KafkaSettings(), "http": HttpSettings(port=0), "log": LogSettings(form="json", level="debug"), **changes}
    )


async def get(address: str, path: str) -> httpx.Response:
    async with httpx.AsyncClient() as client:
        return await client.get(f"{address}{path}")


def address_of(listener: socket.socket) -> str:
    return f"http://127.0.0.1:{listener.getsockname()[1]}"


class TestHealth:
    async def test_a_process_that_starts_lives_and_is_not_ready(self) -> None:
        health = Health(asyncio.Event())
        assert health.report.waits == ("starting",)
        assert health.report.troubles == ()

    async def test_what_does_not_answer_is_named_until_it_does(self) -> None:
        health = Health(asyncio.Event())
        health.started()
        health.out("the storage cql://x/y", "no server answers")
        assert health.report.waits == ("waiting for the storage cql://x/y: no server answers",)
        health.answers("the storage cql://x/y")
        beating = asyncio.create_task(health.beat())
        await until(lambda: health.report.waits == (), 5)
        beating.cancel()

    async def test_the_work_has_reasons_of_its_own(self) -> None:
        health, reasons = Health(asyncio.Event()), ["handling pauses: the index is out"]
        health.started(lambda: reasons)
        beating = asyncio.create_task(health.beat())
        await until(lambda: health.report.waits == ("handling pauses: the index is out",), 5)
        beating.cancel()

    async def test_who_drains_is_not_ready_and_lives(self) -> None:
        stop = asyncio.Event()
        health = Health(stop)
        health.started()
        stop.set()
        beating = asyncio.create_task(health.beat())
        await until(lambda: health.report.waits == ("draining",), 5)
        beating.cancel()
        assert health.report.troubles == ()


class TestHttp:
    async def test_the_three_answers(self) -> None:
        report, registry = Report(time.monotonic(), ()), CollectorRegistry()
        with listen(HttpSettings(port=0)) as listener:
            async with answering(listener, lambda: report, registry):
                assert (await get(address_of(listener), "/health/live")).json() == {"live": True, "reasons": []}
                assert (await get(address_of(listener), "/health/ready")).json() == {"ready": True, "reasons": []}
                report = Report(time.monotonic(), ("starting",))
                ready = await get(address_of(listener), "/health/ready")
                assert (ready.status_code, ready.json()) == (503, {"ready": False, "reasons": ["starting"]})
                assert (await get(address_of(listener), "/health/live")).status_code == 200
                assert (await get(address_of(listener), "/metrics")).headers["content-type"].startswith("text/plain")
                assert (await get(address_of(listener), "/")).status_code == 404

    def test_a_loop_that_stands_still_is_told_though_it_does(self) -> None:
        """The work's loop stands still here: nothing runs on it at all."""
        with listen(HttpSettings(port=0)) as listener:
            stale = Report(time.monotonic() - healths.STILL - 1, ())
            server = answering(listener, lambda: stale, CollectorRegistry())
            loop = asyncio.new_event_loop()
            loop.run_until_complete(server.__aenter__())
            try:
                live = httpx.get(f"{address_of(listener)}/health/live")
                assert live.status_code == 503
                assert "stood still" in live.json()["reasons"][0]
                assert httpx.get(f"{address_of(listener)}/health/ready").status_code == 503
            finally:
                loop.run_until_complete(server.__aexit__(None, None, None))
                loop.close()

    async def test_work_that_died_is_told(self) -> None:
        health = Health(asyncio.Event())
        health.died(RuntimeError("boom"))
        with listen(HttpSettings(port=0)) as listener:
            async with answering(listener, lambda: health.report, CollectorRegistry()):
                live = await get(address_of(listener), "/health/live")
        assert (live.status_code, live.json()["reasons"]) == (503, ["RuntimeError: boom"])

    def test_a_port_in_use_is_named_with_the_remedy(self) -> None:
        with listen(HttpSettings(port=0)) as taken, pytest.raises(ConfigurationError, match=r"--set http\.port=0"):
            listen(HttpSettings(port=taken.getsockname()[1]))

    def test_a_host_that_is_not_here_is_named(self) -> None:
        with pytest.raises(ConfigurationError, match=r"192\.0\.2\.1:0"):
            listen(HttpSettings(host="192.0.2.1", port=0))

    def test_ipv6(self) -> None:
        try:
            listener = listen(HttpSettings(host="::1", port=0))
        except ConfigurationError:
            pytest.skip("no IPv6 here")
        with listener:
            assert serving._address(listener).startswith("http://[::1]:")


class TestProcess:
    async def test_it_answers_while_the_work_runs_and_closes_what_was_opened(self, capsys: pytest.CaptureFixture[str]) -> None:
        closed = []

        async def close() -> None:
            closed.append(True)

        serving.set_up_logs(configuration())
        async with serving.process("relay", configuration(), asyncio.Event()) as frame:
            frame.opened.push_async_callback(close)
            address = json.loads(capsys.readouterr().err.splitlines()[0])["http"]
            assert (await get(address, "/health/ready")).json()["reasons"] == ["starting"]
            frame.health.started()
            families = {family.name for family in text_string_to_metric_families((await get(address, "/metrics")).text)}
        assert closed
        assert {"process_cpu_seconds", "python_info", "python_gc_collections", "syncline_relay_published"} <= families
        with pytest.raises(httpx.ConnectError):
            await get(address, "/health/live")

    async def test_a_warning_is_a_log_line(self, capsys: pytest.CaptureFixture[str]) -> None:
        serving.set_up_logs(configuration())
        async with serving.process("relay", configuration(), asyncio.Event()):
            logging.getLogger("py.warnings").warning("an insecure connection")
        assert [json.loads(line)["event"] for line in capsys.readouterr().err.splitlines()] == [
            "started",
            "an insecure connection",
            "ended",
        ]

    async def test_an_error_of_the_work_ends_it_all(self) -> None:
        with pytest.raises(ExceptionGroup) as raised:
            async with serving.process("relay", configuration(), asyncio.Event()):
                raise ConfigurationError("no such topic")
        assert isinstance(raised.value.exceptions[0], ConfigurationError)

    async def test_a_port_in_use_stops_it_before_anything_is_opened(self) -> None:
        with listen(HttpSettings(port=0)) as taken:
            port = taken.getsockname()[1]
            with pytest.raises(ConfigurationError, match=str(port)):
                async with serving.process("worker", configuration(http=HttpSettings(port=port)), asyncio.Event()):
                    pytest.fail("the work began")

    def test_without_kafka_there_is_nothing_to_do(self) -> None:
        with pytest.raises(ConfigurationError, match="syncline run"):
            serving.kafka_of(configuration(kafka=None))


class TestLogs:
    def written(self, level: str = "debug", form: str = "json", **changes: object) -> tuple[io.StringIO, Configuration]:
        stream, settings = io.StringIO(), configuration(**changes)
        logs.set_up("json" if form == "json" else "console", level, stream, secrets=logs.secrets_of(settings))
        return stream, settings

    @pytest.mark.parametrize("form", ["json", "console"])
    def test_a_secret_of_the_settings_stands_in_no_line(self, form: str) -> None:
        """By whatever name, in whatever text, from whoever's logger, in an error's traceback."""
        security = KafkaSecurity(protocol="SASL_PLAINTEXT", username="syncline", password=SecretStr(SECRET))
        kafka = KafkaSettings(bootstrap_servers="kafka:9092", security=security)
        stream, settings = self.written(form=form, kafka=kafka, index_api_key=SecretStr(SECRET))
        structlog.get_logger().info("opened", settings=settings, dumped=settings.model_dump(), harmless=SECRET, text=f"with {SECRET} in it")
        logging.getLogger("aiokafka.conn").warning("sasl failed for %s", SECRET)
        try:
            int(SECRET)
        except ValueError as error:
            structlog.get_logger().exception("failed", error=repr(error))
            logging.getLogger("cassandra.cluster").exception("failed")
        assert len(stream.getvalue().splitlines()) >= 4
        assert "anted-s" not in stream.getvalue()
        assert "***" in stream.getvalue()

    def test_libraries_write_lines_of_the_same_form(self) -> None:
        stream, _ = self.written()
        with structlog.contextvars.bound_contextvars(batch="kafka/t/0/7"):
            logging.getLogger("aiokafka.consumer").error("lost %s", "it")
            structlog.get_logger().info("ours")
        theirs, ours = (json.loads(line) for line in stream.getvalue().splitlines())
        assert (theirs["event"], theirs["level"], theirs["logger"], theirs["batch"]) == (
            "lost it",
            "error",
            "aiokafka.consumer",
            "kafka/t/0/7",
        )
        assert theirs.keys() - {"logger"} == ours.keys()

    @pytest.mark.parametrize("name", ["aiokafka.conn", "cassandra.pool", "faststream", "uvicorn.error", "httpx", "asyncio"])
    def test_the_chatty_are_heard_from_a_warning_on(self, name: str) -> None:
        stream, _ = self.written("debug")
        logging.getLogger(name).info("news")
        assert stream.getvalue() == ""
        logging.getLogger(name).warning("a warning")
        assert "a warning" in stream.getvalue()

    def test_the_level_holds_for_libraries_too(self) -> None:
        stream, _ = self.written("error")
        logging.getLogger("syncline_store.upkeep").warning("a warning")
        assert stream.getvalue() == ""

    def test_setting_up_again_replaces(self) -> None:
        first, _ = self.written()
        second, _ = self.written()
        logging.getLogger("aiokafka").error("once")
        assert (first.getvalue(), second.getvalue().count("once")) == ("", 1)
