"""`headrace run`: the worker, in this process, until it is told to stop."""

from __future__ import annotations

import logging
import sys

from sync.cli import terminal
from sync.cli.environment import settings

NOISY = ("faust", "mode", "aiokafka", "httpx", "weaviate", "urllib3", "asyncio")


def run() -> None:
    """Serve every applied mapping until SIGTERM or Ctrl-C, and pick up what is applied meanwhile.

    Waits for what does not answer yet and says for what. May be killed at any moment: the next start goes on where
    the state says. With the SQLite state one worker runs at a time.

    Examples:

        headrace run
        HEADRACE_LOG_LEVEL=DEBUG headrace run
    """
    wanted = settings()
    log_to_stderr(wanted.log_level)
    from sync.worker import service

    service.run(wanted, _say)


def _say(text: str) -> None:
    terminal.line(text)
    sys.stdout.flush()


class Repeated(logging.Filter):
    """Lets what another library says again and again through every ``every`` seconds, with how often it was said.

    While Kafka is away its client complains sixty times a second.
    """

    def __init__(self, every: float = 30.0) -> None:
        super().__init__()
        self._every = every
        self._said: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.partition(".")[0] not in NOISY:
            return True
        what = record.name, str(record.msg)  # the pattern, without what is filled in
        at, kept = self._said.get(what, (-self._every, 0))
        if record.created - at < self._every:
            self._said[what] = at, kept + 1
            return False
        self._said[what] = record.created, 0
        if kept:
            record.msg, record.args = f"{record.getMessage()} (and {kept} times more before)", ()
        return True


def log_to_stderr(level: str) -> None:
    """Our own loggers at ``level``, everybody else's from WARNING on."""
    chosen = logging.getLevelNamesMapping().get(level.upper(), logging.INFO)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    handler.addFilter(Repeated())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("headrace").setLevel(chosen)
    for name in NOISY:
        logging.getLogger(name).setLevel(max(chosen, logging.WARNING))
