"""Structured logs: one JSON object a line, with the correlation id of what caused it."""

import logging
import sys

import structlog
from structlog.contextvars import bind_contextvars, bound_contextvars, get_contextvars
from structlog.typing import FilteringBoundLogger, Processor

__all__ = [
    "bind_contextvars",
    "bound_contextvars",
    "configure",
    "get_correlation_id",
    "get_logger",
    "log_only_errors",
]


def configure(service: str, level: str) -> None:
    """Logs go to standard error; those of the libraries take the same form."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
        )
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    bind_contextvars(service=service)


def log_only_errors() -> None:
    """For a command that tells itself what it does."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("ERROR"))


def get_logger() -> FilteringBoundLogger:
    """The logger of a module."""
    logger: FilteringBoundLogger = structlog.get_logger()
    return logger


def get_correlation_id() -> str:
    """The id that ties the logs and events of one cause together; empty outside of any."""
    return str(get_contextvars().get("correlation_id", ""))
