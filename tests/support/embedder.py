"""`headrace embedder` as a process beside a stack, unless the stack brings one itself."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx


@contextmanager
def running(env: dict[str, str]) -> Iterator[str]:
    """The embedder's address, answering when this is entered."""
    url = env["HEADRACE_EMBEDDER_URL"]
    if answers(url):
        yield url
        return
    command = [sys.executable, "-m", "sync.cli.main", "embedder", "--port", str(urlsplit(url).port)]
    root = Path(__file__).resolve().parents[2]
    with subprocess.Popen(command, cwd=root, env={**os.environ, **env}) as process:
        try:
            end = time.monotonic() + 60
            while not answers(url):
                assert process.poll() is None, f"headrace embedder ended with {process.returncode}"
                assert time.monotonic() < end, "headrace embedder did not answer within 60 s"
                time.sleep(0.05)
            yield url
        finally:
            process.terminate()


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/.well-known/ready", timeout=2).status_code < 300
    except httpx.HTTPError:
        return False
