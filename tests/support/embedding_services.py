"""Cohere's and OpenAI's embedding services as tiny servers on this machine."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse


@contextmanager
def served(app: FastAPI) -> Iterator[str]:
    """The application on a port of its own, answering when this is entered."""
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="critical", lifespan="off"))
    started = threading.Event()
    server.config.load()
    real = server.startup

    async def startup(sockets: Any = None) -> None:
        await real(sockets)
        started.set()

    server.startup = startup  # type: ignore[method-assign]
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    assert started.wait(20), "the server did not start"
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)


class Service:
    """Both services' contracts; the vector of a text is its length and 1, and ``fault`` may answer instead."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.fault: Callable[[], JSONResponse | None] = lambda: None
        self.app = FastAPI()
        self.app.post("/v2/embed")(self.cohere)
        self.app.post("/v1/embeddings")(self.openai)

    async def cohere(self, request: Request) -> JSONResponse:
        body = await self._note(request)
        vectors = [[float(len(text)), 1.0] for text in body["texts"]]
        return self.fault() or JSONResponse(
            {"id": "x", "response_type": "embeddings_by_type", "embeddings": {"float": vectors}}
        )

    async def openai(self, request: Request) -> JSONResponse:
        body = await self._note(request)
        data = [{"index": n, "embedding": [float(len(t)), 1.0]} for n, t in enumerate(body["input"])]
        return self.fault() or JSONResponse({"data": data[::-1], "model": body["model"]})

    async def _note(self, request: Request) -> dict[str, Any]:
        body: dict[str, Any] = await request.json()
        self.asked.append({**body, "key": request.headers.get("authorization")})
        return body
