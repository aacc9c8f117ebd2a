"""The server: `python -m streamlit run app/main.py` from the project's root. The pages begin in shell.py."""

import asyncio
import gc
import importlib
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import streamlit as st
from starlette.middleware import Middleware
from starlette.routing import BaseRoute

from app import web_limits, web_modules, web_offline, web_routes, web_security
from app.services import brought_models, hosts, imports, inference, visitors, workers, workspaces
from app.services.deferred import DEFERRED
from app.state import report_script_error
from core.errors import TerrastillError
from core.freed_memory import keep_freed_memory

_KEEP_SECONDS = 5.0


def warm_up() -> None:
    """Import what the pages need before the first visitor is answered: torch alone would hold up a page for seconds."""
    inference.warm_up()
    for name in ("app.caching", "app.components.score_table", "app.views.runs.live"):
        importlib.import_module(name)
    # Streamlit collects garbage after every run of a page, and torch alone brings half a million objects that are never
    # garbage: looking through them took nine tenths of a rerun (docs/LOG.md). Frozen ones are not looked at.
    gc.collect()
    gc.freeze()


def compute_first_comparison() -> None:
    """While the first visitor's browser still loads the page, the models predict what it will show."""
    from app import caching

    try:
        caching.compute_first_comparison()
    except TerrastillError as error:
        # The page meets the same and says it to the visitor.
        logging.getLogger("terrastill.app").warning("The first comparison was not made: %s", error)


async def sweep_workspaces() -> None:
    """Once an hour, remove the pictures of visitors who did not come back for a day, and what no browser fetched."""
    while True:
        DEFERRED.expire()
        await asyncio.to_thread(workspaces.sweep, time.time())
        await asyncio.to_thread(brought_models.sweep, time.time())
        await asyncio.to_thread(imports.sweep, time.time())
        await asyncio.sleep(3600)


async def keep_worker() -> None:
    """As long as the server lives: a worker that died while runs wait is started again."""
    keeper = workers.WorkerKeeper()
    while True:
        await asyncio.sleep(_KEEP_SECONDS)
        try:
            await asyncio.to_thread(keeper.check)
        except TerrastillError as error:
            # The pages say the same to the visitor; the next check may find the store again.
            logging.getLogger("terrastill.app").warning("The worker could not be checked: %s", error)


@asynccontextmanager
async def lifespan(_: st.App) -> AsyncIterator[None]:
    """Warm up, and pick up runs that a stopped machine left in the queue."""
    keep_freed_memory()
    hosts.warn_if_open(st.get_option("server.address") or "0.0.0.0")
    await asyncio.to_thread(warm_up)
    ahead = asyncio.create_task(asyncio.to_thread(compute_first_comparison))
    workspaces.sweep_sessions()
    sweeping = asyncio.create_task(sweep_workspaces())
    try:
        workers.resume_queue()
    except TerrastillError as error:
        # The pages say the same to the visitor; here it must not keep the server from starting.
        logging.getLogger("terrastill.app").warning("The queue was not resumed: %s", error)
    keeper = asyncio.create_task(keep_worker())
    yield
    sweeping.cancel()
    keeper.cancel()
    await ahead


def own_routes(base: str) -> list[BaseRoute]:
    """What the app serves beside Streamlit, below the same path (`server.baseUrlPath`, with or without slashes)."""
    prefix = f"/{base.strip('/')}".rstrip("/")
    return [*web_routes.routes(prefix), *web_modules.routes(prefix), *web_offline.routes(prefix)]


app = st.App(
    "shell.py",
    lifespan=lifespan,
    on_script_error=report_script_error,
    routes=own_routes(st.get_option("server.baseUrlPath") or ""),
    middleware=[
        *web_security.MIDDLEWARE,
        *web_limits.MIDDLEWARE,
        *web_routes.MIDDLEWARE,
        *web_modules.MIDDLEWARE,
        Middleware(visitors.VisitorCookie),
    ],
)
