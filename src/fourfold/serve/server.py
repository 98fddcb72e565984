"""Starting the service: the address, the token for other devices as a QR code, and the server itself."""

import io
import os
import secrets
import socket
import tempfile
from collections.abc import Callable
from urllib.parse import quote

import segno
import uvicorn

from fourfold.core.errors import UsageError
from fourfold.serve.app import application
from fourfold.serve.guard import Guard, hosts, is_loopback
from fourfold.serve.limits import ServeOptions

_UPLOADS = 512
"""Requests at one time; more are refused and asked to come again."""


def serve(options: ServeOptions, say: Callable[[str], None]) -> None:
    """Serve until interrupted.

    Args:
        options: what to serve; say: prints a line for the person.

    Raises:
        UsageError: certificate and key do not come together, or the address cannot be listened on.
    """
    if (options.certificate is None) != (options.key is None):
        raise UsageError("--certificate and --key go together: give both or neither")
    place = options.place
    (place / "uploads").mkdir(parents=True, exist_ok=True, mode=0o700)
    tempfile.tempdir = str(place / "uploads")  # on the disk whose size is watched, not in a /tmp that may be memory
    near = is_loopback(options.host) and options.name is None
    token = None if near else os.environ.get("FOURFOLD_TOKEN") or secrets.token_urlsafe(16)
    listening = _listening(options)
    guarded = Guard(application(options), options.max_bytes, token, hosts(options.host, options.name))
    settings = uvicorn.Config(
        guarded, log_level="warning", access_log=False, limit_concurrency=_UPLOADS, timeout_graceful_shutdown=5,
        server_header=False, ssl_certfile=options.certificate, ssl_keyfile=options.key, lifespan="on",
    )  # fmt: skip
    _greet(options, token, listening.getsockname()[1], say)
    uvicorn.Server(settings).run(sockets=[listening])


def _listening(options: ServeOptions) -> socket.socket:
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((options.host, options.port))
        listening.listen(1024)
    except OSError as error:
        listening.close()
        message = (
            f"{options.host}:{options.port} cannot be listened on ({error.strerror}); give another --port or --host"
        )
        raise UsageError(message) from error
    return listening


def _greet(options: ServeOptions, token: str | None, port: int, say: Callable[[str], None]) -> None:
    scheme = "https" if options.certificate else "http"
    if token is None:
        here = f"{scheme}://{_address(options.host)}:{port}/"
        say(f"fourfold is at {here} – for this computer only; --lan lets a phone in")
        return
    place = f"https://{options.name}" if options.name else f"{scheme}://{_address(options.host)}:{port}"
    drawn = io.StringIO()
    address = f"{place}/?token={quote(token, safe='')}"
    segno.make(address, micro=False).terminal(out=drawn, compact=True)
    known = "Who knows this address can use it; scan the code with the phone."
    say(f"{drawn.getvalue()}\nfourfold is at {address}\n{known}")


def _address(host: str) -> str:
    """The address that other devices reach this one by, as far as it can be found without sending anything."""
    if host not in ("0.0.0.0", "::"):  # noqa: S104 - compared, not bound
        return f"[{host}]" if ":" in host else host
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("10.255.255.255", 1))  # a datagram socket only looks up the route
            return str(probe.getsockname()[0])
        except OSError:
            return socket.gethostname()
