"""Who may read the pages: whoever has the token, by a name that cannot be rebound; GET alone."""

import hashlib
import ipaddress
import secrets
import socket
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
)
"""Of every answer."""


class Guard:
    """Passes on what is allowed, and answers everything else itself.

    A page of another site can make a browser send requests here. It lacks the token, its name in
    `Host` is not ours even where it resolves to this machine, and it cannot read answers.

    Args:
        app: What is guarded.
        host: The address that is listened on.
        token: The secret of the URL; it becomes a cookie.
    """

    def __init__(self, app: App, host: str, token: str) -> None:
        self._app, self._token = app, token
        self._is_loopback = is_loopback(host)
        self._names = LOOPBACK | {host, socket.gethostname().lower(), socket.getfqdn().lower()}
        # Cookies are shared by all ports of a host: each server has a name of its own.
        self._cookie = f"ablate-{hashlib.sha256(token.encode()).hexdigest()[:12]}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request, or has it answered."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name.lower(): value for name, value in scope["headers"]}
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        given = [value for name, value in query if name == "token"]
        if not self._is_ours(headers.get(b"host", b"").decode("latin-1")):
            await _answer(send, 403, "this address is not the one that `ablate watch` printed")
        elif not (self._is_right(given) or self._is_right(self._kept(headers))):
            await _answer(send, 403, "open the URL that `ablate watch` printed, with its token")
        elif scope["method"] not in ("GET", "HEAD"):
            await _answer(send, 405, "nothing can be changed here", [(b"allow", b"GET, HEAD")])
        elif given:  # out of the address, which is kept in histories and shown on screens
            rest = urlencode([(name, value) for name, value in query if name != "token"])
            place = f"{_path(scope)}{'?' if rest else ''}{rest}"
            cookie = f"{self._cookie}={self._token}; Path=/; HttpOnly; SameSite=Lax"
            told = [(b"location", place.encode("latin-1")), (b"set-cookie", cookie.encode())]
            await _answer(send, 303, "", told)
        else:
            await self._app(scope, receive, _with_headers(send))

    def _is_ours(self, host: str) -> bool:
        """Whether a `Host` is a name of this server; the port may be a tunnel's."""
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        if self._is_loopback:
            return name in LOOPBACK or is_loopback(name)
        return name in self._names or _is_address(name)

    def _kept(self, headers: dict[bytes, bytes]) -> list[str]:
        """The tokens of our cookie. Other ports of this host set cookies, too, of any form."""
        cookies = headers.get(b"cookie", b"").decode("latin-1").split(";")
        named = (cookie.strip().partition("=") for cookie in cookies)
        return [value for name, _, value in named if name == self._cookie]

    def _is_right(self, given: list[str]) -> bool:
        own = self._token.encode()
        return len(given) == 1 and secrets.compare_digest(given[0].encode(), own)


def is_loopback(host: str) -> bool:
    """Whether an address is of this machine alone."""
    return host == "localhost" or (_is_address(host) and ipaddress.ip_address(host).is_loopback)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _path(scope: Scope) -> str:
    """The path to go on to: never of another host, which `//name` would be."""
    return "/" + scope.get("raw_path", b"/").decode("latin-1").partition("?")[0].lstrip("/")


def _with_headers(send: Send) -> Send:
    async def sent(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            own = {name for name, _ in message.get("headers", ())}
            more = [header for header in HEADERS if header[0] not in own]
            message["headers"] = [*message.get("headers", ()), *more]
        await send(message)

    return sent


async def _answer(
    send: Send, status: int, text: str, headers: list[tuple[bytes, bytes]] | None = None
) -> None:
    send = _with_headers(send)
    told = [(b"content-type", b"text/plain; charset=utf-8"), *(headers or [])]
    await send({"type": "http.response.start", "status": status, "headers": told})
    await send({"type": "http.response.body", "body": text.encode()})
