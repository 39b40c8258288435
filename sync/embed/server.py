"""`headrace embedder`: the embedder as a process of its own, for Weaviate's queries and for RAG frameworks.

Two contracts on one port: the one of Weaviate's text2vec-transformers module (`POST /vectors`, called once
for every near_text or hybrid query) and OpenAI's (`POST /v1/embeddings`, `GET /v1/models`).
"""

from __future__ import annotations

import base64
import os
import socket
from typing import Annotated, Any, Literal, TypeVar

import orjson
import uvicorn
from fastapi import FastAPI, Request, Response
from pydantic import BaseModel, Field, ValidationError, field_validator
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from sync.embed.base import Embedder, Purpose, Vectors
from sync.embed.local import LocalEmbedder
from sync.errors import EmbedderLimited, EmbedderUnreachable, EmbedError, SettingsError

MAX_BODY = 4_000_000  # bytes of a request: the local embedder takes 1.4 s for a million characters
MAX_TEXT = 200_000  # characters of one text: a chunk has one or two thousand
MAX_TEXTS = 2048  # texts of one request: OpenAI's own limit
INLINE = 4_000  # characters of a local embedding that takes less time than handing it to a thread

Text = Annotated[str, Field(max_length=MAX_TEXT)]


class VectorConfig(BaseModel):
    task_type: Literal["query", "passage"] | None = None
    dimensions: int | None = None


class VectorRequest(BaseModel):
    """What Weaviate's module sends; its other fields (dims, vector, error) mean nothing in a request."""

    text: Text
    config: VectorConfig | None = None


class EmbeddingRequest(BaseModel):
    """OpenAI's request, without ``user``, which changes nothing."""

    input: Text | Annotated[list[Text], Field(min_length=1, max_length=MAX_TEXTS)]
    model: str = ""
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: int | None = None

    @field_validator("input", mode="before")
    @classmethod
    def _no_tokens(cls, value: Any) -> Any:
        if isinstance(value, list) and value and isinstance(value[0], (int, list)):
            raise ValueError("token numbers of another model mean nothing here, send text "
                             "(LangChain: OpenAIEmbeddings(check_embedding_ctx_length=False))")  # fmt: skip
        return value


class Refused(Exception):
    """A request that cannot be served; ``status`` is the HTTP status, ``after`` seconds to wait where known."""

    def __init__(self, status: int, message: str, code: str = "invalid_request", *, after: float = 0.0) -> None:
        super().__init__(message)
        self.status, self.message, self.code, self.after = status, message, code, after


def app(embedder: Embedder) -> FastAPI:
    """The ASGI application in front of an embedder."""
    model = embedder.describe()
    server = FastAPI(title="headrace embedder", docs_url=None, redoc_url=None, openapi_url=None)
    _answer_errors(server)

    @server.get("/.well-known/live")
    @server.get("/.well-known/ready")
    async def ready() -> Response:
        return Response(status_code=204)

    @server.get("/meta")
    async def meta() -> Response:
        return _json({"name": model.name, "dimensions": model.dimensions, "kind": model.kind})

    @server.get("/v1/models")
    async def models() -> Response:
        one = {"id": model.name, "object": "model", "created": 0, "owned_by": "headrace"}
        return _json({"object": "list", "data": [one]})

    @server.post("/vectors")
    @server.post("/vectors/")
    async def vectors(request: Request) -> Response:
        asked = _read(VectorRequest, await _body(request))
        config = asked.config or VectorConfig()
        _check_dimensions(config.dimensions, model.dimensions)
        made = await _embed(embedder, [asked.text], "query" if config.task_type == "query" else "document")
        return _json({"text": asked.text, "vector": made[0], "dims": model.dimensions})

    @server.post("/v1/embeddings")
    async def embeddings(request: Request) -> Response:
        asked = _read(EmbeddingRequest, await _body(request))
        if asked.model not in ("", model.name):
            raise Refused(404, f"there is no such model here, only {model.name!r}", "model_not_found")
        _check_dimensions(asked.dimensions, model.dimensions)
        texts = [asked.input] if isinstance(asked.input, str) else asked.input
        made = await _embed(embedder, texts, "document")
        tokens = sum(map(len, texts)) // 4  # an estimate: nobody is billed by it
        return _json(
            {
                "object": "list",
                "model": model.name,
                "data": [
                    {"object": "embedding", "index": place, "embedding": _written(row, asked.encoding_format)}
                    for place, row in enumerate(made)
                ],
                "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
            }
        )

    return server


def serve(host: str = "127.0.0.1", port: int = 8090, embedder: Embedder | None = None) -> None:
    """Serve the embedder, the local one where none is given, until SIGINT or SIGTERM.

    Raises SettingsError where the address cannot be listened on.
    """
    try:
        listener = socket.create_server((host, port), backlog=256)
    except OSError as error:
        raise SettingsError(
            f"the embedder cannot listen on {host}:{port} ({os.strerror(error.errno or 0)})",
            advice="Another `headrace embedder` may run there; choose with --port and HEADRACE_EMBEDDER_URL.",
        ) from error
    config = uvicorn.Config(app(embedder or LocalEmbedder()), log_level="warning", access_log=False)
    with listener:
        uvicorn.Server(config).run(sockets=[listener])


async def _embed(embedder: Embedder, texts: list[str], purpose: Purpose) -> Vectors:
    try:
        if isinstance(embedder, LocalEmbedder) and sum(map(len, texts)) <= INLINE:
            return embedder.embed(texts, purpose=purpose)
        return await run_in_threadpool(embedder.embed, texts, purpose=purpose)
    except EmbedderLimited as error:
        raise Refused(429, str(error), "rate_limit_exceeded", after=error.after) from error
    except EmbedderUnreachable as error:
        raise Refused(503, str(error), "embedder_unreachable") from error
    except EmbedError as error:
        raise Refused(502, str(error), "embedder_refused") from error


def _written(row: Vectors, encoding: str) -> Vectors | str:
    return base64.b64encode(row.astype("<f4").tobytes()).decode() if encoding == "base64" else row


def _check_dimensions(asked: int | None, served: int) -> None:
    if asked not in (None, served):
        raise Refused(400, f"this model's vectors have {served} dimensions, not {asked}")


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MAX_BODY:
            raise Refused(413, f"a request may have {MAX_BODY:,} bytes: send fewer texts at once")
    return bytes(body)


Shape = TypeVar("Shape", bound=BaseModel)


def _read(shape: type[Shape], body: bytes) -> Shape:
    try:
        return shape.model_validate_json(body)
    except ValidationError as error:
        told = {
            f"{'.'.join(map(str, one['loc'])) or 'body'}: {one['msg']}"
            for one in error.errors(include_url=False, include_input=False, include_context=False)
        }
        status = 413 if "at most" in " ".join(told) else 400
        raise Refused(status, "; ".join(sorted(told))[:1000]) from None  # the cause quotes the text


def _json(content: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    body = orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY)
    return Response(body, status, headers=headers, media_type="application/json")


def _answer_errors(server: FastAPI) -> None:
    """Each contract's own error shape, always JSON: Weaviate's module parses the body before the status."""

    def answer(request: Request, status: int, message: str, code: str, after: float = 0.0) -> Response:
        headers = {"retry-after": f"{max(1, round(after))}"} if after else None
        if request.url.path.startswith("/v1/"):
            kind = "invalid_request_error" if status < 500 else "server_error"
            return _json({"error": {"message": message, "type": kind, "param": None, "code": code}}, status, headers)
        return _json({"error": message}, status, headers)

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, Refused)
        return answer(request, error.status, error.message, error.code, error.after)

    async def not_here(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return answer(request, error.status_code, str(error.detail), "not_found")

    async def failed(request: Request, error: Exception) -> Response:
        return answer(request, 500, f"the embedder failed ({type(error).__name__}); its log says where", "failed")

    server.add_exception_handler(Refused, refused)
    server.add_exception_handler(HTTPException, not_here)
    server.add_exception_handler(Exception, failed)
