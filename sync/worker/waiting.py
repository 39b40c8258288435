"""Before the worker serves: a component that is away is waited for, and named."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from sync.errors import HeadraceError


async def wait_until(what: str, ready: Callable[[], bool], stopping: asyncio.Event, say: Callable[[str], None]) -> None:
    """Wait for a component as long as it takes: said once when it is away, once when it is there.

    Raises SystemExit when the worker is told to stop meanwhile.
    """
    said = False
    while not stopping.is_set():
        try:
            if await asyncio.get_running_loop().run_in_executor(None, ready):
                if said:
                    say(f"{what} answers")
                return
            reason = ""
        except HeadraceError as exc:
            if not exc.retry:
                raise
            reason = f": {exc}"
        if not said:
            say(f"waiting for {what}{reason}")
            said = True
        await asyncio.sleep(0.5)
    raise SystemExit(0)
