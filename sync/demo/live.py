"""`headrace demo`: the whole path alive, told as a screen, as plain lines, or as JSON lines."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Protocol

import orjson
from rich.console import Console
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from sync.demo import words
from sync.demo.airline import Sizes
from sync.demo.feed import Change, Feed, Standing, percentile
from sync.demo.question import QUESTION, Asked, Asking
from sync.demo.screen import View, picture, rows_that_fit
from sync.demo.setup import MAPPING, Loading, Scene, await_first_load, scene
from sync.demo.traffic import Commit, Pump, Traffic

LOOK_EVERY = 0.25  # seconds
STATUS_EVERY = 10.0  # seconds, where lines are printed


class Teller(Protocol):
    """Tells what happens, in one of the three forms."""

    def say(self, sentence: str) -> None: ...
    def loading(self, now: Loading, rows: int) -> None: ...
    def loaded(self, now: Loading, seconds: float) -> None: ...
    def begin(self, url: str) -> None: ...
    def changed(self, feed: Feed) -> list[Change]:
        """Tell what is new in the feed; returns the changes of which everything is known now."""
        ...

    def asked(self, asked: Asked, turned: bool) -> None: ...
    def stands(self, now: Standing, trouble: str | None) -> None: ...
    def end(self, summary: Summary) -> None: ...


@dataclass
class Summary:
    """What a run came to."""

    seconds: float = 0.0
    commits: int = 0
    documents: int = 0
    turns: int = 0  # how often the answer changed
    took: list[float] = field(default_factory=list)

    def count(self, changes: list[Change]) -> None:
        for change in changes:
            self.documents += sum(change.outcomes.values())
            if change.milliseconds is not None:
                self.took.append(change.milliseconds)

    def sentence(self) -> str:
        took = sorted(self.took)
        p50, p99 = (words.milliseconds(percentile(took, percent)) for percent in (50, 99))
        return (
            f"{self.commits:,} commits in {self.seconds:.0f} s touched {self.documents:,} documents; "
            f"commit to searchable p50 {p50} ms, p99 {p99} ms; the answer changed {self.turns} times"
        )


def run(
    console: Console, *, seconds: float | None, keep: bool, fresh: bool, json: bool, sizes: Sizes | None = None
) -> None:
    """Set everything up, live for ``seconds`` or until Ctrl-C, stop everything that was started."""
    teller: Teller = Json(console) if json else Screen(console) if console.is_terminal else Lines(console)
    summary = Summary()
    # Ctrl-C is how the demo ends, also while it starts.
    try:
        with scene(sizes or Sizes(), keep=keep, fresh=fresh, say=teller.say) as running:
            began = time.monotonic()
            first = await_first_load(running, lambda now: teller.loading(now, running.rows))
            teller.loaded(first, time.monotonic() - began)
            Life(running, teller, summary).live(seconds)
    except KeyboardInterrupt:
        teller.say("stopped")
    if summary.commits:
        teller.end(summary)


class Life:
    """Traffic, question and evidence, until the time is over."""

    def __init__(self, running: Scene, teller: Teller, summary: Summary) -> None:
        self._running, self._teller, self._summary = running, teller, summary
        self._feed = Feed(running.state, MAPPING)
        self._pump = Pump(Traffic(running.url, seed=time.time_ns()), self._committed)
        self._asking = Asking(running.settings, self._answered)
        self._lock = threading.Lock()
        self._last: Asked | None = None

    def live(self, seconds: float | None) -> None:
        began = time.monotonic()
        self._teller.begin(self._running.url)
        with ExitStack() as stopping:
            for part in (self._pump, self._asking):
                part.start()
                stopping.callback(part.stop)
            try:
                while seconds is None or time.monotonic() - began < seconds:
                    self._look()
                    time.sleep(LOOK_EVERY)
            finally:
                self._summary.seconds = time.monotonic() - began
                self._teller.stands(self._feed.look(time.time_ns() // 1000), None)
                self._summary.count(self._teller.changed(self._feed))

    def _look(self) -> None:
        self._running.children.check()
        now = self._feed.look(time.time_ns() // 1000)
        self._summary.count(self._teller.changed(self._feed))
        trouble = next((s.trouble for s in now.statuses if s.trouble), None)
        self._teller.stands(now, self._pump.trouble or self._asking.trouble or trouble)

    def _committed(self, commit: Commit) -> None:
        self._summary.commits += 1
        self._feed.committed(commit)

    def _answered(self, asked: Asked) -> None:
        turned = self._last is None or asked.meaning != self._last.meaning
        self._summary.turns += turned and self._last is not None
        self._last = asked
        self._teller.asked(asked, turned)


class Screen:
    """A picture that is drawn again and again: for people at a terminal."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress: Progress | None = None
        self._live: Live | None = None
        self._view = View("")
        self._counted: set[int] = set()

    def say(self, sentence: str) -> None:
        self._close()
        self._console.print(Text("› ", "dim").append(sentence, "default not dim"))

    def loading(self, now: Loading, rows: int) -> None:
        if self._progress is None:
            self._progress = Progress(
                TextColumn("  {task.description:<10}"),
                BarColumn(bar_width=None),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
                console=self._console,
                transient=True,
            )
            self._progress.add_task("rows", total=rows)
            self._progress.add_task("documents", total=None)
            self._progress.start()
        read, written = self._progress.task_ids
        self._progress.update(read, completed=rows if now.loaded else min(rows, now.offset + 1))
        self._progress.update(written, completed=now.written, total=now.documents or None)

    def loaded(self, now: Loading, seconds: float) -> None:
        self.say(_loaded(now, seconds))

    def begin(self, url: str) -> None:
        self._close()
        self._view.url = url
        self._live = Live(console=self._console, screen=True, auto_refresh=False)
        self._live.start()

    def changed(self, feed: Feed) -> list[Change]:
        self._view.changes = feed.latest(rows_that_fit(self._console.height))
        done = [one for one in feed.latest(len(feed.changes)) if one.settled and id(one) not in self._counted]
        self._counted = {id(one) for one in feed.changes if one.settled}
        return done

    def asked(self, asked: Asked, turned: bool) -> None:
        self._view.asked = asked
        if turned:
            self._view.turned_at = time.time_ns() // 1000

    def stands(self, now: Standing, trouble: str | None) -> None:
        self._view.standing, self._view.trouble = now, trouble
        if self._live is not None:
            self._live.update(picture(self._view, self._console.width, self._console.height), refresh=True)

    def end(self, summary: Summary) -> None:
        self.say(summary.sentence())

    def _close(self) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress = None
        if self._live is not None:
            self._live.stop()
            self._live = None


class Lines:
    """A line for each thing that happens: for a pipe or a log file."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._next_status = 0.0
        self._tenth = -1

    def say(self, sentence: str) -> None:
        self._print(sentence)

    def loading(self, now: Loading, rows: int) -> None:
        tenth = now.written * 10 // now.documents if now.loaded and now.documents else -1
        if tenth > self._tenth:
            self._tenth = tenth
            self._print(f"first load: {now.written:,} of {now.documents:,} documents")

    def loaded(self, now: Loading, seconds: float) -> None:
        self._print(_loaded(now, seconds))

    def begin(self, url: str) -> None:
        self._print(f"try it: psql {url}")
        self._print(f"asked again and again: {QUESTION}")

    def changed(self, feed: Feed) -> list[Change]:
        done = feed.take_settled()
        for change in done:
            table, key = words.place(change)
            took = change.milliseconds
            end = "" if took is None else f", {words.milliseconds(took)} ms"
            clock = words.clock(change.ended)
            self._print(f"{clock} {table} {key}: {change.what} -> {words.effect(change)}{end}")
        return done

    def asked(self, asked: Asked, turned: bool) -> None:
        if turned:
            found = ", ".join(f"{one.pnr} ({one.status or 'other flights'})" for one in asked.answers)
            self._print(f"{words.clock(time.time_ns() // 1000)} answer: {words.verdict(asked)}: {found}")

    def stands(self, now: Standing, trouble: str | None) -> None:
        if time.monotonic() >= self._next_status:
            self._next_status = time.monotonic() + STATUS_EVERY
            parts = [words.worst(now.statuses), *words.standing(now), *([trouble] if trouble else [])]
            self._print(f"{words.clock(time.time_ns() // 1000)} {' · '.join(parts)}")

    def end(self, summary: Summary) -> None:
        self._print(summary.sentence())

    def _print(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)


class Json(Lines):
    """A JSON object a line: for programs."""

    def say(self, sentence: str) -> None:
        self._write({"type": "progress", "text": sentence})

    def loading(self, now: Loading, rows: int) -> None:
        return None

    def loaded(self, now: Loading, seconds: float) -> None:
        self._write({"type": "loaded", "documents": now.documents, "seconds": round(seconds, 3)})

    def begin(self, url: str) -> None:
        self._write({"type": "begin", "question": QUESTION})

    def changed(self, feed: Feed) -> list[Change]:
        done = feed.take_settled()
        for change in done:
            self._write(words.change_json(change))
        return done

    def asked(self, asked: Asked, turned: bool) -> None:
        if turned:
            self._write(words.asked_json(asked))

    def stands(self, now: Standing, trouble: str | None) -> None:
        if time.monotonic() >= self._next_status:
            self._next_status = time.monotonic() + STATUS_EVERY
            self._write({**words.standing_json(now), "trouble": trouble})

    def end(self, summary: Summary) -> None:
        took = sorted(summary.took)
        self._write(
            {
                "type": "summary",
                "seconds": round(summary.seconds, 1),
                "commits": summary.commits,
                "documents": summary.documents,
                "answer_changed": summary.turns,
                "p50_ms": percentile(took, 50),
                "p99_ms": percentile(took, 99),
            }
        )

    def _write(self, what: object) -> None:
        self._console.print(orjson.dumps(what).decode(), markup=False, highlight=False, soft_wrap=True)


def _loaded(now: Loading, seconds: float) -> str:
    return f"{now.documents:,} documents are searchable ({seconds:.1f} s)"
