"""Structured logs: one JSON object per line, with the correlation id of the request or event."""

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
    """Write the logs of Tidemark and of its libraries to standard error as JSON."""
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
    """Log errors only: for a command that prints its own output."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("ERROR"))


def get_logger() -> FilteringBoundLogger:
    """Return the logger of a module."""
    logger: FilteringBoundLogger = structlog.get_logger()
    return logger


def get_correlation_id() -> str:
    """Return the id shared by the logs and events of one request or event; empty outside of both."""
    return str(get_contextvars().get("correlation_id", ""))
