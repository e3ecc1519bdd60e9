"""Log lines: for people on a terminal or as JSON, to stderr, with no secrets in them."""

import logging
import sys
from typing import Literal, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

SECRETS = ("api_key", "password", "secret", "token", "authorization")
"""A field whose name holds one of these is not shown."""


def set_up(form: Literal["console", "json"] = "console", level: str = "info", stream: TextIO | None = None) -> None:
    """Send this process's log lines to `stream` (default: stderr), from `level` on. A composition root calls it once.

    Raises ValueError for a level that does not exist.
    """
    number = logging.getLevelNamesMapping().get(level.upper())
    if number is None:
        raise ValueError(f"no such log level: {level!r} (there are debug, info, warning, error)")
    target = stream or sys.stderr
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            hide_secrets,
            *_shape(form, colors=target.isatty()),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(target),
        cache_logger_on_first_use=False,
    )


def hide_secrets(_logger: WrappedLogger, _method: str, line: EventDict) -> EventDict:
    """Blank out every field whose name says that it is a secret."""
    return {name: "***" if any(word in name.lower() for word in SECRETS) else value for name, value in line.items()}


def _shape(form: Literal["console", "json"], *, colors: bool) -> list[Processor]:
    if form == "json":
        return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    return [structlog.dev.ConsoleRenderer(colors=colors)]
