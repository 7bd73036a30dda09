"""The pages of `ablate watch`: what may be asked, and what is answered."""

import asyncio
import contextlib
import functools
import json
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncGenerator, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.responses import StreamingResponse as Stream
from starlette.routing import Route

from ablate.text import printable_lines
from ablate.watch.news import StudyNews
from ablate.watch.page import live_page
from ablate.watch.run_details import facts_of
from ablate.watch.seen_study import SeenStudy
from ablate.watch.storage import Storage

LOOK_S = 0.5
"""Between two looks at a study that somebody watches."""
LIST_S = 2.0
"""Between two looks at all studies of a storage."""
HEARD_S = 0.1
"""Within which the end of the server is heard."""
ALIVE_S = 15.0
"""After which silence is broken: else nobody notices that a connection is gone."""
REPORT_LIMIT_S = 120.0
_REPORT_POLICY = (
    "sandbox allow-scripts allow-popups; default-src 'none'; script-src 'unsafe-inline'; "
    "style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
)
"""Of a report, which somebody else may have written: it runs apart from the watcher's pages."""

Look = Callable[[], Any]


def watch_app(storage: Storage, is_ending: Callable[[], bool]) -> Starlette:
    """The application.

    Args:
        storage: The studies.
        is_ending: Says whether the server ends: open streams then end, too.
    """
    pages = _Pages(storage, is_ending)
    routes = {
        "/": pages.page, "/list": pages.list, "/study": pages.study, "/run": pages.run,
        "/report": pages.report,
    }  # fmt: skip
    return Starlette(routes=[Route(path, asked, methods=["GET"]) for path, asked in routes.items()])


class _Pages:
    def __init__(self, storage: Storage, is_ending: Callable[[], bool]) -> None:
        self._storage, self._is_ending = storage, is_ending
        self._one_report = asyncio.Lock()

    async def page(self, request: Request) -> Response:
        if "study" in request.query_params and self._asked(request) is None:
            return _no_study()
        html, policy = live_page(self._storage.only)
        return HTMLResponse(html, headers={"content-security-policy": policy})

    async def list(self, request: Request) -> Response:
        """The studies, again whenever they change."""
        seen: list[Any] = []

        def look() -> dict[str, Any]:
            found = self._storage.listing()
            if seen and found == seen[-1]:
                return {}
            seen[:] = [found]
            return {"list": found}

        return self._stream(look, LIST_S)

    async def study(self, request: Request) -> Response:
        """A study, then what is new of it."""
        study = self._asked(request)
        if study is None:
            return _no_study()
        asked = request.query_params
        news = StudyNews(study, asked.get("metric"), asked.get("run", ""))
        return self._stream(news.next, LOOK_S)

    async def run(self, request: Request) -> Response:
        """What is known of a run, and the end of its log."""
        study = self._asked(request)
        if study is None:
            return _no_study()
        return JSONResponse(
            await run_in_threadpool(run_told, study, request.query_params.get("id", ""))
        )

    async def report(self, request: Request) -> Response:
        """The report as it stands, made now: nothing is written."""
        study = self._asked(request)
        if study is None:
            return _no_study()
        async with self._one_report:
            made = await run_in_threadpool(_written_report, study) or await self._report_now(study)
        headers = {"content-security-policy": _REPORT_POLICY}
        if isinstance(made, bytes):
            return HTMLResponse(made, headers=headers)
        return PlainTextResponse(made, 409, headers)

    async def _report_now(self, study: SeenStudy) -> bytes | str:
        """The page, or why there is none; made by a process of its own, for it runs users' code."""
        command = (sys.executable, "-m", "ablate.watch.report_now", str(study.paths.root))
        process = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=PIPE)
        making, waited_s = asyncio.create_task(process.communicate()), 0.0
        while not making.done():
            await asyncio.wait({making}, timeout=HEARD_S)
            waited_s += HEARD_S
            if not making.done() and (self._is_ending() or waited_s > REPORT_LIMIT_S):
                process.kill()
                await making
                return f"no report could be made in {waited_s:.0f} s"
        page, told = making.result()
        if process.returncode:
            return printable_lines(told.decode("utf-8", "replace")) or "no report could be made"
        return page

    def _asked(self, request: Request) -> SeenStudy | None:
        return self._storage.study(request.query_params.get("study", ""))

    def _stream(self, look: Look, pause_s: float) -> Response:
        return Stream(self._events(look, pause_s), media_type="text/event-stream")

    async def _events(self, look: Look, pause_s: float) -> AsyncGenerator[str]:
        """Server-sent events of what is new."""
        silent_s = 0.0
        while not self._is_ending():
            news = await run_in_threadpool(look)
            silent_s = 0.0 if news else silent_s + pause_s
            if news:
                yield f"data: {_json(news)}\n\n"
            elif silent_s >= ALIVE_S:
                silent_s = 0.0
                yield ": still here\n\n"
            await self._pause(pause_s)

    async def _pause(self, pause_s: float) -> None:
        for _ in range(round(pause_s / HEARD_S)):
            if not self._is_ending():
                await asyncio.sleep(HEARD_S)


def run_told(study: SeenStudy, run_id: str) -> dict[str, Any]:
    """What is told of a run: facts by name, and the end of its log."""
    with study.lock:
        facts = facts_of(study.row(run_id), study.factors)
        return {"facts": facts, "log": study.log(run_id)}


def _written_report(study: SeenStudy) -> bytes | None:
    """The report of the directory, unless the ledger is newer."""
    with study.lock:
        study.refresh()
        changed = study.head()["changed"]
    written = study.paths.report_page
    with contextlib.suppress(OSError):
        if written.stat().st_mtime >= changed:
            return written.read_bytes()
    return None


def _no_study() -> Response:
    return PlainTextResponse("there is no such study", 404)


_json = functools.partial(json.dumps, allow_nan=False, separators=(",", ":"))
