"""The desk as a page on this computer alone: one address, one token, no other host, no network."""

from __future__ import annotations

import json
import secrets
import socket
import threading
import webbrowser
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from immunomon.errors import ImmunomonError
from immunomon.outputs.report.page import DRAWING_SCRIPTS, joined_script, safe_json
from immunomon.outputs.review.blind import Answer, blinded
from immunomon.outputs.review.desk import Desk
from immunomon.plots.colours import DENSITY_STOPS, DENSITY_STOPS_DARK

__all__ = ["desk_app", "serve", "served"]

_ASSETS = Path(__file__).parent / "assets"
_SCRIPTS = (
    *DRAWING_SCRIPTS,
    *(
        _ASSETS / f"{name}.js"
        for name in ("page", "gallery", "sample", "closer", "handles", "moving", "effects", "deciding", "start")
    ),
)
_PAGE = {"density": {"light": DENSITY_STOPS, "dark": DENSITY_STOPS_DARK}, "ticks": []}
_MOST_BYTES = 200_000  # of a request: a gate with some thousand corners
_MOST_ANSWERS = 200  # that are kept for whoever asks again
_CHANGING = frozenset({"draft", "decide", "hear", "undo", "discard", "commit", "judge", "withdraw"})
_COOKIE = "immunomon-review"
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


def serve(desk: Desk, *, port: int = 0, open_browser: bool = True, say: Callable[[str], object] = print) -> None:
    """Serve a desk on 127.0.0.1 until it is stopped; port 0 takes a free one.

    Raises OSError if the port is taken.
    """
    with socket.create_server(("127.0.0.1", port)) as listener:
        address, server = _server(desk, listener)
        say(address)
        if open_browser:
            webbrowser.open(address)
        try:
            server.run(sockets=[listener])
        finally:
            desk.close()


@contextmanager
def served(desk: Desk) -> Iterator[str]:
    """Serve a desk from a thread for as long as it takes; yield its address with the token."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address, server = _server(desk, listener)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            yield address
        finally:
            server.should_exit = True
            thread.join()


def _server(desk: Desk, listener: socket.socket) -> tuple[str, uvicorn.Server]:
    """Return the address with its token, and the server that is to run on a socket."""
    token = secrets.token_urlsafe(24)
    origin = f"http://127.0.0.1:{listener.getsockname()[1]}"
    app = desk_app(desk, token=token, origin=origin)
    config = uvicorn.Config(app, log_level="warning", access_log=False, lifespan="off")
    return f"{origin}/?token={token}", uvicorn.Server(config)


def desk_app(desk: Desk, *, token: str, origin: str) -> Starlette:
    """Return the desk's application; every request must come to its own host, with the token, from its own page.

    origin: the address that it is served at, such as http://127.0.0.1:8765.
    """
    guard = _Guard(token, origin)
    routes = [
        Route("/", guard.page),
        Route("/desk.js", guard.asset(joined_script(_SCRIPTS, _PAGE), "text/javascript")),
        Route("/report", guard.report(desk)),
        Route("/desk.css", guard.asset((_ASSETS / "desk.css").read_text(encoding="utf-8"), "text/css")),
    ]
    answers = _asked_once(_answers(desk))
    for name, answer in (answers if desk.blind is None else blinded(answers, desk.blind)).items():
        routes.append(Route(f"/api/{name}", guard.answer(answer), methods=["POST"]))
    return Starlette(routes=routes)


def _asked_once(answers: Mapping[str, Answer]) -> dict[str, Answer]:
    once = _Once()

    def wrapped(answer: Answer) -> Answer:
        return lambda question: once(str(question.get("request") or ""), lambda: answer(question))

    return {name: wrapped(answer) if name in _CHANGING else answer for name, answer in answers.items()}


def _answers(desk: Desk) -> dict[str, Answer]:
    """Return what the page may ask for: name -> from its arguments to plain data."""
    return {
        "overview": lambda _: desk.overview(),
        "progress": lambda _: desk.progress(),
        "ready": lambda _: desk.warm(),
        "gallery": lambda question: desk.gallery(
            question["panel"], question["population"], plots=bool(question.get("plots", True))
        ),
        "sample": lambda question: desk.sample(question["sample"]),
        "move": lambda question: desk.move(question["sample"], question["population"], question["gate"]),
        "foresee": lambda question: desk.foresee(
            question["sample"], question.get("population", ""), question.get("gate")
        ),
        "draft": lambda question: desk.draft(
            question["sample"], question["population"], question["gate"], question.get("others") or ()
        ),
        "closer": lambda question: desk.closer(question["sample"], question["population"], question.get("view") or {}),
        "ghosts": lambda question: desk.ghosts(question["sample"], question["population"]),
        "decide": lambda question: desk.decide(question["samples"], question["action"], question.get("check", "")),
        "hear": lambda question: desk.hear(question["sample"], question["population"], wanted=bool(question["wanted"])),
        "effects": lambda question: desk.effects(question.get("withdrawn")),
        "decisions": lambda _: desk.decisions(),
        "withdraw": lambda question: desk.withdraw(question["target"], question["seen"], question["reason"]),
        "undo": lambda _: desk.undo(),
        "discard": lambda question: desk.discard(question["samples"]),
        "pending": lambda _: desk.pending(),
        "commit": lambda question: desk.commit(question["reason"]),
        "judge": lambda question: desk.judge(question["seen"], question["verdict"], question.get("note", "")),
    }


class _Once:
    """What changes something is done once, though a page that lost the connection asks again: by its request's id."""

    def __init__(self) -> None:
        self._lock, self._answers = threading.Lock(), OrderedDict[str, Future[Any]]()

    def __call__(self, request: str, work: Callable[[], Any]) -> Any:  # noqa: ANN401 - what the work returns
        with self._lock:
            future = self._answers.get(request)
            is_new = future is None or not request
            if future is None or is_new:
                future = self._answers[request] = Future()
                while len(self._answers) > _MOST_ANSWERS:
                    self._answers.popitem(last=False)
        if is_new:
            try:
                future.set_result(work())
            except BaseException as error:
                future.set_exception(error)
        return future.result()


class _Guard:
    """Who may ask: the page that was opened with the token, and nobody else on this computer or in this browser."""

    def __init__(self, token: str, origin: str) -> None:
        self._token, self._origin = token, origin
        self._host = origin.partition("://")[2]
        self._ticket = secrets.token_urlsafe(24)  # of the one browser that came with the token
        self._lock, self._is_used = threading.Lock(), False

    def page(self, request: Request) -> Response:
        """Answer the first request: the token in the address becomes a cookie, and leaves the address."""
        refused = self._wrong_host(request)
        if refused is not None:
            return refused
        if "token" in request.query_params:
            if not secrets.compare_digest(request.query_params["token"].encode(), self._token.encode()):
                return self._refusal("this address has another token; open the one that immunomon review printed")
            return self._admitted(request)
        refused = self._wrong_token(request)
        text = (_ASSETS / "desk.html").read_text(encoding="utf-8")
        return HTMLResponse(text, headers=_HEADERS) if refused is None else refused

    def _admitted(self, request: Request) -> Response:
        # An address is read by others: in a history, a list of processes, over a shoulder. It opens one browser.
        response: Response = RedirectResponse("/", status_code=303, headers=_HEADERS)
        if self._wrong_token(request) is None:
            return response
        with self._lock:
            if self._is_used:
                return self._refusal(
                    "another browser was opened with this token; for this one, stop immunomon review and start it again"
                )
            self._is_used = True
        response.set_cookie(_COOKIE, self._ticket, httponly=True, samesite="strict", path="/")
        return response

    def report(self, desk: Desk) -> Callable[[Request], Response]:
        """Return the answer that is the run's report: its pages then link to the desk. A blind reviewer has none."""

        def answer(request: Request) -> Response:
            refused = self._wrong_host(request) or self._wrong_token(request)
            if refused is not None:
                return refused
            path = desk.root / "report.html"
            if desk.blind is not None:
                return self._refusal("the report says whose the samples are, and this review is blind")
            if not path.is_file():
                remedy = f"write it with: immunomon report {desk.root}\n"
                return PlainTextResponse(f"There is no report of this run yet; {remedy}", 404, headers=_HEADERS)
            # The page brings its own policy, by which only its own script runs.
            kept = {name: value for name, value in _HEADERS.items() if name != "Content-Security-Policy"}
            return HTMLResponse(path.read_text(encoding="utf-8"), headers=kept)

        return answer

    def asset(self, text: str, media_type: str) -> Callable[[Request], Response]:
        """Return the answer that is a file of the page."""

        def answer(request: Request) -> Response:
            refused = self._wrong_host(request) or self._wrong_token(request)
            return refused or Response(text, media_type=media_type, headers=_HEADERS)

        return answer

    def answer(self, ask: Callable[[dict[str, Any]], Any]) -> Callable[[Request], Any]:
        """Return the answer to a question of the page; what is wrong with the question is said to whoever asked."""

        async def answer(request: Request) -> Response:

            refused = self._wrong_host(request) or self._wrong_token(request) or self._wrong_origin(request)
            if refused is not None:
                return refused
            try:
                question = await _asked(request)
                text = safe_json(await run_in_threadpool(ask, question))
            except ImmunomonError as error:
                return JSONResponse({"error": str(error)}, status_code=409, headers=_HEADERS)
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                problem = f"not understood: {type(error).__name__}: {error}"
                return JSONResponse({"error": problem}, status_code=400, headers=_HEADERS)
            return Response(text, media_type="application/json", headers=_HEADERS)

        return answer

    def _refusal(self, why: str) -> Response:
        return PlainTextResponse(f"Refused: {why}\n", status_code=403, headers=_HEADERS)

    def _wrong_host(self, request: Request) -> Response | None:
        # A name that somebody else's server resolves to this computer must not open the desk.
        host = request.headers.get("host", "")
        return None if host == self._host else self._refusal(f"the desk is at {self._origin} alone")

    def _wrong_token(self, request: Request) -> Response | None:
        given = request.cookies.get(_COOKIE, "")
        if secrets.compare_digest(given.encode(), self._ticket.encode()):
            return None
        return self._refusal("open the address that immunomon review printed, with its token")

    def _wrong_origin(self, request: Request) -> Response | None:
        if request.headers.get("origin") == self._origin:
            return None
        return self._refusal("only the desk's own page may ask")


async def _asked(request: Request) -> dict[str, Any]:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > _MOST_BYTES:
            raise ImmunomonError(f"a question of more than {_MOST_BYTES} bytes")
    question = json.loads(body or b"{}")
    if not isinstance(question, dict):
        raise TypeError("not an object")
    return question
