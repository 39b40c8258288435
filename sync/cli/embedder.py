"""`headrace embedder`: the local embedder as a process of its own, for Weaviate's queries and for frameworks."""

from __future__ import annotations

from typing import Annotated

import typer

from sync.cli.environment import settings


def embedder(
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, help="The port; without it that of HEADRACE_EMBEDDER_URL.", show_default=False),
    ] = None,
) -> None:
    """Serve the embedder over HTTP until SIGTERM or Ctrl-C.

    Weaviate calls it for every near_text and hybrid query (the text2vec-transformers contract), frameworks call
    `/v1/embeddings` (OpenAI's). It needs neither the worker nor the state.

    Examples:

        headrace embedder --port 8090
    """
    from urllib.parse import urlsplit

    from sync.cli.run import log_to_stderr
    from sync.embed.choose import embedder as choose
    from sync.embed.server import serve

    wanted = settings()
    log_to_stderr(wanted.log_level)
    serve(host, port or urlsplit(wanted.embedder_url).port or 8090, choose(wanted))
