"""Log lines: for people on a terminal or as JSON, to stderr, with no secrets in them.

Ours come from structlog, those of libraries from the standard library's logging; both go through the same processors.
"""

import json
import logging
import sys
from collections.abc import Iterator, Sequence
from typing import Literal, TextIO

import structlog
from pydantic import BaseModel, SecretStr
from structlog.typing import EventDict, Processor, WrappedLogger

from syncline_store.tracing import trace_id, traceparent

SECRETS = ("api_key", "password", "secret", "token", "authorization")
"""A field whose name holds one of these is not shown."""
SHORTEST = 4
"""Characters of the shortest value that is looked for in the text of a line: a shorter one would blank out half of it."""
CHATTY = ("aiokafka", "asyncio", "cassandra", "faststream", "httpcore", "httpx", "uvicorn")
"""Libraries whose news is only for their authors: nothing below a warning is shown."""


def set_up(
    form: Literal["console", "json"] = "console",
    level: str = "info",
    stream: TextIO | None = None,
    *,
    secrets: Sequence[str] = (),
    libraries: bool = True,
) -> None:
    """Send this process's log lines to `stream` (default: stderr), from `level` on. A composition root calls it once.

    `secrets` are values that are blanked out wherever they stand in a line. Without `libraries`, only our own lines.
    Raises ValueError for a level that does not exist.
    """
    number = logging.getLevelNamesMapping().get(level.upper())
    if number is None:
        raise ValueError(f"no such log level: {level!r} (there are debug, info, warning, error)")
    target = stream or sys.stderr
    common: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        name_trace,
        hide_secrets,
    ]
    shape: list[Processor] = [*_shape(form, colors=target.isatty()), _blanked(secrets)]
    structlog.configure(
        processors=[*common, *shape],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(target),
        cache_logger_on_first_use=False,
    )
    if libraries:
        _take_the_libraries(target, number, common, shape)


def hide_secrets(_logger: WrappedLogger, _method: str, line: EventDict) -> EventDict:
    """Blank out every field whose name says that it is a secret."""
    return {name: "***" if any(word in name.lower() for word in SECRETS) else value for name, value in line.items()}


def name_trace(_logger: WrappedLogger, _method: str, line: EventDict) -> EventDict:
    """Say in which trace it was written, where one is under way and the line does not say so itself."""
    if (found := trace_id(traceparent())) is not None:
        line.setdefault("trace_id", found)
    return line


def secrets_of(settings: BaseModel) -> list[str]:
    """Every secret in the settings, for `set_up`."""
    return list(_secrets(settings))


def _secrets(value: object) -> Iterator[str]:
    if isinstance(value, SecretStr):
        yield value.get_secret_value()
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _secrets(getattr(value, name))


def _blanked(secrets: Sequence[str]) -> Processor:
    """As the last step: a library may write a secret into the middle of a text."""
    wanted = {form for secret in secrets if len(secret) >= SHORTEST for form in (secret, json.dumps(secret)[1:-1], repr(secret)[1:-1])}

    def blank(_logger: WrappedLogger, _method: str, line: EventDict) -> str:
        text = str(line)  # the renderer before this one made it a text
        for secret in sorted(wanted, key=len, reverse=True):
            text = text.replace(secret, "***")
        return text

    return blank


class _Libraries(logging.StreamHandler[TextIO]):
    """The one handler that is ours: setting up again replaces it, and leaves others alone."""


def _take_the_libraries(target: TextIO, number: int, common: list[Processor], shape: list[Processor]) -> None:
    root = logging.getLogger()
    for old in [handler for handler in root.handlers if isinstance(handler, _Libraries)]:
        root.removeHandler(old)
    handler = _Libraries(target)
    handler.setLevel(number)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*common, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *shape],
        )
    )
    root.addHandler(handler)
    root.setLevel(min(number, logging.WARNING))
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
    for name, logger in logging.root.manager.loggerDict.items():
        if isinstance(logger, logging.Logger) and name.partition(".")[0] in CHATTY:
            logger.handlers.clear()  # FastStream brings its own, in a form of its own
            logger.propagate = True


def _shape(form: Literal["console", "json"], *, colors: bool) -> list[Processor]:
    if form == "json":
        return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    return [structlog.dev.ConsoleRenderer(colors=colors)]
