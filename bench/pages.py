"""The pages with 10,000 contracts and 2,000,000 worklogs: first byte, bytes, layout shift, and the plans of queries.

All services run in this process, without Kafka, so the
processor time of a page is that of this process (web and the services) and of Postgres.
"""

import asyncio
import os
import shutil
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from pathlib import Path
from statistics import quantiles
from typing import Any, NamedTuple

import asyncpg
import httpx
import psutil
import uvicorn
from fastapi import FastAPI
from playwright.async_api import async_playwright
from rich.box import MARKDOWN
from rich.table import Table

import tidemark_consumption.app
import tidemark_contracts.app
import tidemark_notifier.app
import tidemark_web.app
from bench import facts
from bench.api import SECRET, open_client
from bench.database import kept_database, settle
from bench.pages_seed import CUSTOMERS, seed
from tidemark.stack import ports
from tidemark_consumption import replay
from tidemark_notifier.delivery.egress import EgressPolicy
from tidemark_notifier.engine.evaluator import Evaluator
from tidemark_shared.database import Pool, Workload, connect_pool, migrate, queries
from tidemark_shared.settings import Settings
from tidemark_web.pages.live import LiveRevisions
from tidemark_web.pages.report import MAX_DETAILED

_MAX_SHIFT_WAIT_MS = 500
_SHOWN_QUERIES = 5
_WARM = 10
PLANS = Path("docs/query-plans.md")
_INTRODUCTION = (
    "`make bench ARGS=pages` writes this page: for each page of the browser the queries that take longest, and the\n"
    "plan of the first of them. [performance.md](performance.md#pages) has the times."
)


class Page(NamedTuple):
    """A page to measure, and the goal for its first byte at p95, in ms."""

    name: str
    paths: Sequence[str]
    goal_ms: int


class Visit(NamedTuple):
    """The layout shift of a page, and all bytes of a first visit, with the style sheet and the scripts."""

    shift: float
    size: int


class Figures(NamedTuple):
    """What was measured of a page: in ms, and in bytes over the wire."""

    p50: float
    p95: float
    web_ms: float
    postgres_ms: float
    size: int


async def measure(server_url: str, *, contracts: int, records: int, runs: int, keep: bool = False) -> Table:
    """Seed, then measure each page ``runs`` times on other contracts each time. ``keep`` keeps the seed."""
    codes = [f"C{number:05}" for number in range(contracts)]

    async def fill(url: str) -> None:
        for service in ("consumption", "contracts", "notifier"):
            await migrate(url, service)
        async with _running_web(url, []) as address, open_client(address) as client:
            pool = await connect_pool(url, "consumption")
            await seed(pool, url, client, codes=codes, records=records)
            async with pool.acquire() as connection:
                await settle(connection)
            await pool.close()

    async with kept_database(server_url, f"bench_pages_{contracts}_{records}", fill, keep=keep) as url:
        statements: list[Any] = []
        async with _running_web(url, statements) as address, open_client(address) as client:
            pages = await _list_pages(client, codes)
            taken = {page.name: await _measure_page(client, page, runs, url) for page in pages}
            visits = await _visit(address, pages)
            plans = await _explain(url, client, pages, statements)
    await asyncio.to_thread(PLANS.write_text, plans)
    title = f"Pages with {contracts:,} contracts and {records:,} worklogs; load average {os.getloadavg()[0]:.0f}"
    return _report(title, pages, taken, visits)


@asynccontextmanager
async def _running_web(url: str, statements: list[Any]) -> AsyncIterator[str]:
    """Web in front of the services, all in this process; its address."""
    settings = Settings(
        database_url=url, secret=SECRET, smtp_url="smtp://127.0.0.1:9", kafka_bootstrap_servers="127.0.0.1:9", open=True
    )
    async with AsyncExitStack() as stack:
        clients = {}
        for name, create in (
            ("contracts", tidemark_contracts.app.create_app),
            ("consumption", tidemark_consumption.app.create_app),
            ("notifier", tidemark_notifier.app.create_app),
        ):
            app = create(settings)
            await _prepare(app, name, url, stack, statements)
            transport = httpx.ASGITransport(app)
            clients[name] = await stack.enter_async_context(
                httpx.AsyncClient(transport=transport, base_url=f"http://{name}")
            )
        web = tidemark_web.app.create_app(settings)
        web.router.lifespan_context = lambda _: _no_lifespan()
        web.state.clients = clients
        web.state.live = await stack.enter_async_context(aclosing(LiveRevisions(clients)))
        port = ports.find_free()
        server = uvicorn.Server(uvicorn.Config(web, port=port, log_config=None))
        task = asyncio.create_task(server.serve())
        while not server.started:  # noqa: ASYNC110 - uvicorn has no event
            await asyncio.sleep(0.05)
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            server.should_exit = True
            await task


@asynccontextmanager
async def _no_lifespan() -> AsyncIterator[None]:
    yield


async def _prepare(app: FastAPI, name: str, url: str, stack: AsyncExitStack, statements: list[Any]) -> None:
    """What the lifespan of a service gives its routes. Each statement of a request is noted with its time."""

    async def note_statements(connection: Any) -> None:
        connection.add_query_logger(statements.append)

    async def open_pool(**options: Any) -> Pool:
        pool: Pool = await stack.enter_async_context(await connect_pool(url, name, **options))
        # A connection forgets its loggers when it goes back to the pool.
        holders: Any = getattr(pool, "_holders")  # noqa: B009 - asyncpg has no public way to note statements
        for holder in holders:
            holder._setup = note_statements  # noqa: SLF001
        return pool

    app.state.pool = await open_pool(workload=Workload.REQUEST)
    if name == "consumption":
        app.state.replay_pool = await stack.enter_async_context(replay.open_pool(url, workload=Workload.REPLAY))
    elif name == "notifier":
        app.state.evaluator, app.state.egress_policy = Evaluator(is_started=True), EgressPolicy()


async def _list_pages(client: httpx.AsyncClient, codes: Sequence[str]) -> list[Page]:
    client.timeout = httpx.Timeout(120)  # a busy machine is no failure
    samples = codes[:: max(1, len(codes) // 40)]
    customers = [facts.uid(f"customer {number}") for number in range(0, CUSTOMERS, 5)]
    year = "&from=2026-01-01&to=2026-12-31"
    chosen = [
        "".join(f"&contract={code}" for code in codes[number::CUSTOMERS][:MAX_DETAILED])
        for number in range(0, CUSTOMERS, 5)
    ]
    pages = [
        Page("list", ["/?attention=over", "/?status=ACTIVE", "/?status=EXPIRED"], 150),
        Page("list, searched", [f"/?text={code}" for code in samples] + ["/?text=customer+17"], 150),
        Page("contract", [f"/contracts/{code}" for code in samples], 200),
        Page("report of a contract, a year", [
            f"/reports?organization={facts.uid(f'customer {int(code[1:]) % CUSTOMERS}')}&contract={code}{year}"
            for code in samples], 300),
        Page("report of six contracts, a year", [
            f"/reports?organization={id_}{codes_of_customer}{year}"
            for id_, codes_of_customer in zip(customers, chosen, strict=True)], 300),
        Page("report of fifty contracts, a year", [f"/reports?organization={id_}{year}" for id_ in customers], 300),
    ]  # fmt: skip
    for page in pages:
        for path in page.paths[:2]:
            response = await client.get(path)
            assert response.status_code == httpx.codes.OK, (path, response.text[:2000])  # noqa: S101 - no page, no figure
    return pages


def _postgres_seconds(url: str) -> float:
    """The processor time of the backends of a database so far. Those of a pool stay."""
    name, spent = url.rpartition("/")[2], 0.0
    for process in psutil.process_iter(["cmdline", "cpu_times"]):
        if process.info["cpu_times"] and name in " ".join(process.info["cmdline"] or ()):
            spent += sum(process.info["cpu_times"][:2])
    return spent


async def _measure_page(client: httpx.AsyncClient, page: Page, runs: int, url: str) -> Figures:
    # Each connection plans its queries first.
    for path in [*page.paths[-_WARM:], *page.paths][:_WARM]:
        (await client.get(path)).raise_for_status()
    taken, size, here, own = [], 0, _postgres_seconds(url), time.process_time()
    for run in range(runs):
        path = page.paths[run % len(page.paths)]
        start = time.perf_counter()
        async with client.stream("GET", path, headers={"accept-encoding": "gzip"}) as response:
            taken.append(1000 * (time.perf_counter() - start))
            await response.aread()
        assert response.status_code == httpx.codes.OK, (path, response.text[:500])  # noqa: S101 - no page, no figure
        size = max(size, response.num_bytes_downloaded)
    cut = quantiles(taken, n=20, method="inclusive")
    return Figures(
        cut[9], cut[18], 1000 * (time.process_time() - own) / runs, 1000 * (_postgres_seconds(url) - here) / runs, size
    )


async def _visit(address: str, pages: Sequence[Page]) -> dict[str, Visit]:
    """A first visit of each page by Chromium, at both widths: the larger figures."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        return {}
    visits: dict[str, Visit] = {}
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for page in pages:
            seen = []
            for width in (360, 1280):
                tab = await browser.new_page(viewport={"width": width, "height": 800})
                await tab.goto(address + page.paths[0], wait_until="load", timeout=120_000)
                seen.append(await tab.evaluate(_VISIT, _MAX_SHIFT_WAIT_MS))
                await tab.close()
            visits[page.name] = Visit(max(shift for shift, _ in seen), max(size for _, size in seen))
        await browser.close()
    return visits


_VISIT = """(wait) => new Promise((resolve) => {
  let shift = 0;
  new PerformanceObserver((list) => { for (const entry of list.getEntries()) shift += entry.value; })
    .observe({ type: "layout-shift", buffered: true });
  const loaded = [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")];
  setTimeout(() => resolve([shift, loaded.reduce((sum, entry) => sum + entry.transferSize, 0)]), wait);
})"""


async def _explain(url: str, client: httpx.AsyncClient, pages: Sequence[Page], statements: list[Any]) -> str:
    """The named queries of each page that take longest, and the plan of the first."""
    parts, names = ["# Query plans of the pages", "", _INTRODUCTION], _name_queries()
    connection = await asyncpg.connect(url)
    try:
        for page in pages:
            await client.get(page.paths[0])
            statements.clear()
            await client.get(page.paths[0])
            named = [statement for statement in statements if statement.query in names]
            slowest = max(named, key=lambda statement: statement.elapsed)
            service, query = names[slowest.query]
            await connection.execute(f"SET search_path TO {service}")
            plan = await connection.fetch(f"EXPLAIN (ANALYZE, BUFFERS) {slowest.query}", *slowest.args)
            parts += ["", f"## {page.name.capitalize()}", "", *_list_slowest(statements, names)]
            parts += ["", f"The plan of `{query}` of {service}:", "", "```", *(line[0] for line in plan), "```"]
    finally:
        await connection.close()
    return "\n".join(parts) + "\n"


def _name_queries() -> dict[str, tuple[str, str]]:
    """The service and the name of each named query, by its text."""
    found = {}
    for service in ("contracts", "consumption", "notifier"):
        loaded = queries(f"tidemark_{service}")
        found |= {getattr(loaded, name).sql: (service, name) for name in loaded.available_queries}
    return found


def _list_slowest(statements: Sequence[Any], names: Mapping[str, tuple[str, str]]) -> list[str]:
    spent: Counter[str] = Counter()
    for statement in statements:
        spent[names[statement.query][1] if statement.query in names else ""] += statement.elapsed
    rows = [f"| `{name}` | {1000 * seconds:.1f} |" for name, seconds in spent.most_common(_SHOWN_QUERIES + 1) if name]
    total = f"{len(statements)} statements, {1000 * sum(spent.values()):.0f} ms in all."
    return [total, "", "| query | ms |", "|---|---|", *rows[:_SHOWN_QUERIES]]


def _report(title: str, pages: Sequence[Page], taken: dict[str, Figures], visits: dict[str, Visit]) -> Table:
    table = Table(title=title, box=MARKDOWN)
    for column in (
        "page",
        "p50 ms",
        "p95 ms",
        "goal",
        "web CPU ms",
        "Postgres CPU ms",
        "kB",
        "kB first visit",
        "shift",
    ):
        table.add_column(column, justify="left" if column == "page" else "right")
    for page in pages:
        figures, visit = taken[page.name], visits.get(page.name)
        table.add_row(
            page.name, f"{figures.p50:.0f}", f"{figures.p95:.0f}", str(page.goal_ms), f"{figures.web_ms:.0f}",
            f"{figures.postgres_ms:.0f}", f"{figures.size / 1000:.1f}",
            f"{visit.size / 1000:.0f}" if visit else "-", f"{visit.shift:.3f}" if visit else "-",
        )  # fmt: skip
    return table
