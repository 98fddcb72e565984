"""Refusals as RFC 9457 problem details."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from fourfold.core.errors import FourfoldError, InvalidInput, MissingExtra, NotEnough, PictureError, UsageError

MEDIA = "application/problem+json"


class Details(BaseModel):
    """What went wrong, for programs and for people."""

    type: str = Field(description="`urn:fourfold:problem:` and a word that stays the same for this kind of problem.")
    title: str
    status: int
    detail: str = Field(description="What was expected, what came, and what to do.")


class Problem(Exception):
    """A request that is refused.

    Args:
        status: of HTTP; kind: the word for it in ``type``; detail: what was expected, what came, what to do.
    """

    def __init__(self, status: int, kind: str, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status, self.kind, self.detail, self.headers = status, kind, detail, headers

    def response(self) -> JSONResponse:
        """The refusal as it is sent."""
        details = Details(
            type=f"urn:fourfold:problem:{self.kind}",
            title=HTTPStatus(self.status).phrase,
            status=self.status,
            detail=self.detail,
        )
        return JSONResponse(details.model_dump(), self.status, self.headers, MEDIA)


def of(error: FourfoldError) -> Problem:
    """What a fault that fourfold noticed is in terms of HTTP."""
    if isinstance(error, MissingExtra):
        return Problem(415, "missing-extra", str(error))
    if isinstance(error, PictureError):
        return Problem(415, "not-a-picture", str(error))
    if isinstance(error, NotEnough):
        return Problem(507, "not-enough", str(error))
    if isinstance(error, UsageError | InvalidInput):
        return Problem(422, "parameter", str(error))
    return Problem(422, "model", str(error))


def of_job(error: Mapping[str, Any]) -> Problem:
    """Why a job failed, as the answer to a request for its result."""
    status = {"picture": 415, "NotEnough": 413, "unexpected": 500}.get(error.get("kind", ""), 422)
    return Problem(status, str(error.get("kind", "given-up")).lower(), str(error["detail"]))


def install(app: FastAPI) -> None:
    """Have everything that is raised answered as a problem."""

    async def refused(_request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, Problem)
        return error.response()

    async def noticed(_request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, FourfoldError)
        return of(error).response()

    async def plain(_request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        words = {404: "there is nothing here", 405: "this address does not take this method"}
        detail = words.get(error.status_code, str(error.detail))
        return Problem(error.status_code, "request", detail, error.headers).response()

    async def unfit(_request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        where = " ".join(map(str, first["loc"]))
        return Problem(422, "request", f"{where}: {first['msg']}").response()

    async def unforeseen(_request: Request, _error: Exception) -> JSONResponse:
        return Problem(500, "unexpected", "something unforeseen went wrong; look into the server's log").response()

    app.add_exception_handler(Problem, refused)
    app.add_exception_handler(FourfoldError, noticed)
    app.add_exception_handler(HTTPException, plain)
    app.add_exception_handler(RequestValidationError, unfit)
    app.add_exception_handler(Exception, unforeseen)


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """For a route's description: which refusals it may answer with."""
    schema = {"schema": {"$ref": "#/components/schemas/Details"}}
    return {one: {"description": HTTPStatus(one).phrase, "content": {MEDIA: schema}} for one in statuses}
