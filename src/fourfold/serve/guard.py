"""Checks on every request (host, origin, token, size of the body), and the headers of every answer."""

import secrets
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fourfold.serve.problems import Problem

COOKIE = "fourfold"
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_SAFE = ("GET", "HEAD", "OPTIONS")
_BESIDE_PHOTO = 1 << 20
"""Bytes that a request may have besides the photo: fields, and what separates them."""

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; "
    "img-src 'self' blob: data:; connect-src 'self'; worker-src 'self'; manifest-src 'self'; frame-ancestors 'none'; "
    "base-uri 'none'; form-action 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Guard:
    """Lets requests through to an application.

    Args:
        app: the application; max_bytes: of an upload.
        token: that every request for data must show, None if only this computer can reach the service.
        hosts: names it is reached by; None for any, where the token is what protects.
    """

    def __init__(self, app: ASGIApp, max_bytes: int, token: str | None, hosts: tuple[str, ...] | None) -> None:
        self._app, self._max, self._token, self._hosts = app, max_bytes + _BESIDE_PHOTO, token, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or have the application answer it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def bearing(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        answer = self._answer(scope, Headers(scope=scope))
        if answer is not None:
            await answer(scope, receive, bearing)
        else:
            await self._app(scope, self._counted(receive), bearing)

    def _answer(self, scope: Scope, headers: Headers) -> Response | None:
        """The answer to a request that does not get through."""
        host = headers.get("host", "")
        if self._hosts is not None and _place(f"//{host}")[0] not in self._hosts:
            return Problem(
                421, "host", f"expected the name {self._hosts[0]}, by which this service is reached"
            ).response()
        origin = headers.get("origin")
        if scope["method"] not in _SAFE and origin and _place(origin)[1] != host:
            return Problem(
                403, "origin", "expected a page of this service; those of other addresses may not ask it"
            ).response()
        length = headers.get("content-length", "0")
        if length.isdecimal() and int(length) > self._max:
            return self._too_large().response()
        if self._token is None:
            return None
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        if scope["path"] == "/" and given:
            return self._welcome(given, scope["scheme"])
        if scope["path"].startswith("/v1/") and scope["path"] != "/v1/health" and not self._shown(headers):
            reason = "expected the token that `fourfold serve` printed; scan its QR code again"
            return Problem(401, "token", reason, {"WWW-Authenticate": "Bearer"}).response()
        return None

    def _welcome(self, given: str, scheme: str) -> Response:
        """The page without the token in its address, which is in a cookie from now on."""
        answer = RedirectResponse("/", 303)
        if self._is_token(given):
            answer.set_cookie(
                COOKIE, given, max_age=365 * 86_400, httponly=True, samesite="strict", secure=scheme == "https"
            )
        return answer

    def _shown(self, headers: Headers) -> bool:
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self._is_token(bearer.strip()):
            return True
        try:
            kept = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
        except Exception:  # noqa: BLE001 - a cookie that cannot be read is none
            return False
        return kept is not None and self._is_token(kept.value)

    def _is_token(self, given: str) -> bool:
        assert self._token is not None
        return secrets.compare_digest(given.encode(), self._token.encode())

    def _counted(self, receive: Receive) -> Receive:
        """The body, as long as it is not too large."""
        total = 0

        async def counted() -> Message:
            nonlocal total
            message: Any = await receive()
            total += len(message.get("body", b""))
            if total > self._max:
                raise self._too_large()
            return message  # type: ignore[no-any-return]

        return counted

    def _too_large(self) -> Problem:
        megabytes = (self._max - _BESIDE_PHOTO) / 1e6
        return Problem(413, "too-many-bytes", f"expected a photo of at most {megabytes:g} MB; make it smaller first")


def _place(address: str) -> tuple[str, str]:
    """Host, and host with port, of an address; empty for one that is none."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return "", ""
    return parts.hostname or "", parts.netloc


def hosts(host: str, name: str | None) -> tuple[str, ...] | None:
    """The names that a service listening on ``host`` is reached by."""
    if name is not None:
        return name, *_LOOPBACK
    return _LOOPBACK if is_loopback(host) else None


def is_loopback(host: str) -> bool:
    """Whether only this computer can reach an address."""
    return host in _LOOPBACK
