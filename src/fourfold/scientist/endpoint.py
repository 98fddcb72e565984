"""One request to an OpenAI-compatible endpoint: one setting, a strict time limit, and no other address is called."""

import json
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from fourfold.core.errors import InvalidInput, MissingExtra

if TYPE_CHECKING:
    from openai import OpenAI

_LARGEST = 1 << 20
_HEADERS = frozenset(
    {"host", "content-length", "content-type", "accept", "connection", "user-agent", "transfer-encoding"}
)
_CLIENT_HEADER = "x-stainless-raw-response"  # the client reads it back from its request to hand out the raw stream


@dataclass(frozen=True)
class Settings:
    """The one setting: where the model is. Nothing else is ever called, and no environment variable is read.

    Attributes:
        base_url: of the endpoint, such as ``http://localhost:11434/v1``.
        model: its name there.
        key: sent as a bearer token; empty sends none.
        timeout: seconds for everything together.
    """

    base_url: str
    model: str
    key: str = field(default="", repr=False)
    timeout: float = 60.0

    def __post_init__(self) -> None:
        address = urlsplit(self.base_url)
        if address.scheme not in ("http", "https") or not address.hostname or address.username:
            raise InvalidInput(
                "Settings(base_url): expected an address such as http://localhost:11434/v1, got another form."
            )
        if not self.model or not 0 < self.timeout <= 3600:
            raise InvalidInput("Settings: expected the name of a model, and a timeout of more than 0 s up to 3600 s.")


@dataclass(frozen=True)
class Call:
    """What was called: address (scheme, host, port), model, tokens read and written if reported, seconds."""

    address: str
    model: str
    tokens_read: int | None
    tokens_written: int | None
    seconds: float


class Refused(Exception):
    """Carries the reason of a refusal from where it is found to `advise`."""


def exchanged(messages: list[dict[str, str]], schema: dict[str, Any], settings: Settings) -> Mapping[str, Any]:
    """One exchange, in a thread so that the time limit holds whatever the server does."""
    try:
        import openai
    except ImportError:
        raise MissingExtra("a language model", "llm") from None
    deadline = time.monotonic() + settings.timeout
    client = _client(openai.OpenAI, openai.DefaultHttpxClient, settings)
    outcome: list[bytes | Exception] = []

    def exchange() -> None:
        try:
            outcome.append(_exchange(client, messages, schema, settings, deadline))
        except Exception as error:  # noqa: BLE001 - whatever fails in the optional part, the default answer stands
            outcome.append(error)

    thread = threading.Thread(target=exchange, name="fourfold-llm", daemon=True)
    thread.start()
    thread.join(max(0.0, deadline - time.monotonic()))
    finished = [*outcome]  # closing the client makes an exchange that goes on fail, which is not the reason
    client.close()
    if not finished:
        raise Refused(f"did not finish within {settings.timeout:g} s")
    if isinstance(finished[0], Exception):
        raise Refused(_reason(finished[0], settings))
    return json_object(finished[0].decode("utf-8", errors="replace"), "something that is no chat completion")


def _client(factory: type["OpenAI"], transport: Any, settings: Settings) -> "OpenAI":
    """A client that knows this endpoint only: no proxies, redirects, retries, nor headers from the environment."""

    def scrub(request: Any) -> None:
        for name in [*request.headers]:
            if name.lower() not in _HEADERS | {_CLIENT_HEADER}:
                del request.headers[name]
        if settings.key:
            request.headers["Authorization"] = f"Bearer {settings.key}"

    http = transport(
        trust_env=False, follow_redirects=False, timeout=settings.timeout, event_hooks={"request": [scrub]}
    )
    return factory(base_url=settings.base_url, api_key=settings.key or "none", max_retries=0, http_client=http)


def _exchange(
    client: "OpenAI", messages: list[dict[str, str]], schema: dict[str, Any], settings: Settings, deadline: float
) -> bytes:
    import openai

    form: dict[str, Any] = {
        "response_format": {"type": "json_schema", "json_schema": {"name": "advice", "schema": schema}}
    }
    ask = cast("Any", client.chat.completions.with_streaming_response.create)
    for extra in (form | {"temperature": 0}, {}):
        left = max(0.01, deadline - time.monotonic())
        try:
            with ask(model=settings.model, messages=messages, timeout=left, **extra) as response:
                body = b""
                for piece in response.iter_bytes():
                    body += piece
                    if len(body) > _LARGEST:
                        raise Refused("answered with more than 1 MB")
                return body
        except openai.APIStatusError as error:
            if error.status_code not in (400, 422) or not extra:  # some servers know no constrained JSON
                raise
    raise AssertionError


def _reason(error: Exception, settings: Settings) -> str:
    import openai

    if isinstance(error, Refused):
        return str(error)
    if isinstance(error, openai.APIStatusError):
        if 300 <= error.status_code < 400:
            return "redirected to another address, which is refused"
        return f"answered with HTTP status {error.status_code}"
    if isinstance(error, openai.APITimeoutError) or "Timeout" in type(error).__name__:
        return f"did not finish within {settings.timeout:g} s"
    if isinstance(error, openai.APIConnectionError) or type(error).__module__.startswith("httpx"):
        return f"could not be reached, or broke off ({type(error).__name__})"
    return f"could not be asked ({type(error).__name__})"


def json_object(text: str, otherwise: str) -> dict[str, Any]:
    """The JSON object in a text, with whatever a server that ignores the schema writes around it."""
    first, last = text.find("{"), text.rfind("}")
    try:
        found = json.loads(text[first : last + 1])
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise Refused(f"answered with {otherwise}")
    return found


def content_of(reply: Mapping[str, Any]) -> str:
    """The text that the model wrote; raises ``Refused`` if there is none."""
    try:
        content = reply["choices"][0]["message"]["content"]
    except (KeyError, IndexError, TypeError):
        content = None
    if not isinstance(content, str) or not content.strip():
        raise Refused("answered with nothing")
    return re.sub(r"(?s)^\s*<think>.*?</think>", "", content)


def address_of(settings: Settings) -> str:
    """Scheme, host and port of the endpoint."""
    address = urlsplit(settings.base_url)
    return f"{address.scheme}://{address.netloc}"


def call_of(settings: Settings, reply: Mapping[str, Any], began: float) -> Call:
    """What was called, and what it took since ``began`` (``time.monotonic()``)."""
    usage = reply.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    read, written = (usage.get(name) for name in ("prompt_tokens", "completion_tokens"))
    tokens = [count if isinstance(count, int) else None for count in (read, written)]
    return Call(address_of(settings), settings.model, tokens[0], tokens[1], time.monotonic() - began)
