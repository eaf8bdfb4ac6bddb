"""Metrics for Prometheus. Each is declared once: ``docs/metrics.md`` and the checks of alerts and boards read it here.

A service declares its own metrics next to the work that they measure. The last word of a name is its unit. Values of
labels are bounded: topics, routes, outcomes; never an address, an id or a text that somebody sends.
"""

import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple, Protocol

from prometheus_client import Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import REGISTRY

# A second series for each, with the time since when it counts: the start of the process, nearly always.
disable_created_metrics()  # type: ignore[no-untyped-call]  # it has no types


class Family(NamedTuple):
    """A metric, as it is declared."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    labels: tuple[str, ...]
    meaning: str
    module: str
    """Where it is declared, next to what it measures."""

    @property
    def unit(self) -> str:
        """What it counts, in base units."""
        return self.name.removesuffix("_total").rpartition("_")[2]


FAMILIES: dict[str, Family] = {}
"""All metrics of the modules that are imported, by name."""


def counter(name: str, meaning: str, *labels: str) -> Counter:
    """Declare a counter, whose name ends with ``_total``."""
    family = _declare(name, "counter", labels, meaning)
    return Counter(name, meaning, labels, unit=family.unit)


def gauge(name: str, meaning: str, *labels: str) -> Gauge:
    """Declare a gauge."""
    family = _declare(name, "gauge", labels, meaning)
    return Gauge(name, meaning, labels, unit=family.unit)


def histogram(name: str, meaning: str, *labels: str, buckets: Sequence[float]) -> Histogram:
    """Declare a histogram with these upper bounds."""
    family = _declare(name, "histogram", labels, meaning)
    return Histogram(name, meaning, labels, unit=family.unit, buckets=buckets)


def _declare(
    name: str, kind: Literal["counter", "gauge", "histogram"], labels: tuple[str, ...], meaning: str
) -> Family:
    module = sys._getframe(2).f_globals["__name__"]  # noqa: SLF001 - as NamedTuple finds the module of a class
    family = FAMILIES[name] = Family(name, kind, labels, meaning, module)
    return family


def render(accept: str) -> tuple[bytes, str]:
    """All metrics of this process, and the content type that ``accept`` asks for."""
    encode, content_type = choose_encoder(accept)
    return encode(REGISTRY), content_type


# Of every process.

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds for what usually takes less than a second."""
DELAYS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)
"""Upper bounds for what may wait for another machine."""

BUILD = gauge("tidemark_build_info", "Always 1; the labels name the service and its version.", "service", "version")
HTTP_REQUESTS = counter(
    "tidemark_http_requests_total",
    "Requests that were answered. `route` is the path with names in place of values, `none` where no route matches or "
    "the request was refused before; probes and `/metrics` are not counted.",
    "method",
    "route",
    "status",
)
HTTP_SECONDS = histogram(
    "tidemark_http_request_duration_seconds",
    "Time from the headers of a request to the start of its answer.",
    "method",
    "route",
    buckets=SECONDS,
)
POOL_CONNECTIONS = gauge(
    "tidemark_pool_connections",
    "Connections to Postgres by `workload` (`request`, `check`, `publish`, `replay`, `fold`) and `state` (`used`, "
    "`idle`).",
    "workload",
    "state",
)
POOL_LIMIT = gauge(
    "tidemark_pool_limit_connections",
    "How many connections to Postgres a workload may have in this process.",
    "workload",
)


class _Pool(Protocol):
    def get_size(self) -> int: ...
    def get_idle_size(self) -> int: ...
    def get_max_size(self) -> int: ...
    def is_closing(self) -> bool: ...


_pools: defaultdict[str, list[_Pool]] = defaultdict(list)


def watch_pool(workload: str, pool: _Pool) -> None:
    """Show the use of a pool until it closes. The figures are read when Prometheus asks, without a query."""
    _pools[workload] = [*filter(_is_open, _pools[workload]), pool]

    def total(measure: Callable[[_Pool], int]) -> Callable[[], float]:
        return lambda: sum(measure(pool) for pool in _pools[workload] if _is_open(pool))

    POOL_LIMIT.labels(workload).set_function(total(lambda pool: pool.get_max_size()))
    POOL_CONNECTIONS.labels(workload, "idle").set_function(total(lambda pool: pool.get_idle_size()))
    POOL_CONNECTIONS.labels(workload, "used").set_function(total(lambda pool: pool.get_size() - pool.get_idle_size()))


def _is_open(pool: _Pool) -> bool:
    return not pool.is_closing()
