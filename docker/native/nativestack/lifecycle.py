"""Bring a stack up, take it down, and do both to one component at a time."""

import signal
import threading
import time
from collections.abc import Iterable

from nativestack import process
from nativestack.cache import Cache, say
from nativestack.component import Component, end_helpers
from nativestack.connect import Connect, SecondConnect
from nativestack.errors import StackError
from nativestack.kafka import Kafka
from nativestack.layout import Layout
from nativestack.mariadb import MariaDB
from nativestack.mysql import MySQL
from nativestack.postgres import Postgres
from nativestack.probe import LOOPBACK, port_holder, port_is_free
from nativestack.weaviate import Weaviate

KINDS: dict[str, type[Component]] = {
    kind.name: kind for kind in (Kafka, Connect, SecondConnect, Weaviate, Postgres, MariaDB, MySQL)
}
STOP_ORDER = (("connect", "connect2"), ("weaviate", "kafka", "postgres", "mariadb", "mysql"))
BETWEEN_LOOKS = 0.05


def component(name: str, layout: Layout, cache: Cache) -> Component:
    return KINDS[name](layout, cache)


def running(name: str, layout: Layout) -> process.Process | None:
    return process.recorded(layout.record(name))


class Starting:
    """One `up`: each component in a thread of its own, after those it needs; all give up when one fails."""

    def __init__(self, layout: Layout, cache: Cache, names: Iterable[str]) -> None:
        self.layout = layout
        self.components = [component(name, layout, cache) for name in names]
        self.done = {each.name: threading.Event() for each in self.components}
        self.failures: list[StackError] = []
        self.spawning = threading.Lock()  # between a failure seen and a process started nothing may come

    def run(self) -> None:
        threads = [threading.Thread(target=self.attempt, args=(each,), daemon=True) for each in self.components]
        try:
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        except BaseException:  # Ctrl-C: leave nothing half started
            with self.spawning:
                self.failures.append(StackError("interrupted"))
            end_helpers()
            stop_all(self.layout, [each.name for each in self.components], quick=True)
            raise
        if self.failures:
            stop_all(self.layout, [each.name for each in self.components], quick=False)
            raise self.failures[0]

    def attempt(self, each: Component) -> None:
        try:
            for needed in each.needs:
                self.await_other(needed)
            if not self.failures:
                self.start(each)
        except StackError as error:
            self.failures.append(error)
        except Exception as error:  # a thread must not fail silently, whatever it was
            self.failures.append(StackError(f"{each.name} did not start: {error!r}", log=self.layout.log(each.name)))
        finally:
            self.done[each.name].set()

    def await_other(self, needed: str) -> None:
        if needed in self.done:
            self.done[needed].wait()
        elif running(needed, self.layout) is None:
            raise StackError(f"{needed} does not run", cure=f"stack start {needed} --name {self.layout.name}")

    def start(self, each: Component) -> None:
        began = time.monotonic()
        require_free_ports(each)
        command = each.prepare()
        with self.spawning:
            if self.failures:
                return
            started = process.spawn(command, self.layout.log(each.name), self.layout.record(each.name))
        self.await_ready(each, started)
        if not self.failures:
            say(f"{each.name:<9} ready  {time.monotonic() - began:5.1f} s  {LOOPBACK}:{each.port}")

    def await_ready(self, each: Component, started: process.Process) -> None:
        deadline = time.monotonic() + each.start_patience
        while not self.failures:
            if not started.state():
                raise StackError(f"{each.name} ended while it started", log=self.layout.log(each.name))
            if each.ready():
                return
            if time.monotonic() > deadline:
                what = f"{each.name} was not ready after {each.start_patience:.0f} s"
                raise StackError(what, log=self.layout.log(each.name))
            time.sleep(BETWEEN_LOOKS)


def require_free_ports(each: Component) -> None:
    for name in each.ports:
        port = each.layout.ports[name]
        if not port_is_free(port):
            name_option = f"--name {each.layout.name}"
            raise StackError(
                f"{each.name} cannot start: its port {port} ({name}) is taken by {port_holder(port)}",
                cure="stop that process, or move this stack to other ports:"
                f" stack down {name_option}; stack up {name_option} --port-base auto",
            )


def stop_all(layout: Layout, names: Iterable[str], quick: bool) -> list[str]:
    """Stop these, dependents first; `quick` when the data goes anyway. Returns those it had to force."""
    wanted = set(names)
    forced: list[str] = []

    def attempt(name: str) -> None:
        if not stop_one(layout, name, quick):
            forced.append(name)

    for group in STOP_ORDER:
        threads = [threading.Thread(target=attempt, args=(name,)) for name in group if name in wanted]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return forced


def stop_one(layout: Layout, name: str, quick: bool = False) -> bool:
    found = running(name, layout)
    kind = KINDS[name]
    number = kind.wipe_signal if quick else kind.stop_signal
    if found is None:
        clean = True
    elif number == signal.SIGKILL:
        process.kill(found)
        clean = True
    else:
        clean = process.stop(found, number, kind.stop_patience)
    layout.record(name).unlink(missing_ok=True)
    return clean


def signal_one(layout: Layout, name: str, what: str) -> None:
    """kill, pause, resume: the component and all its children."""
    found = running(name, layout)
    if found is None:
        raise StackError(f"{name} does not run", cure=f"stack start {name} --name {layout.name}")
    if what == "kill":
        process.kill(found)
        layout.record(name).unlink(missing_ok=True)
    elif what == "pause":
        process.send(found.family(), signal.SIGSTOP)
    else:
        process.send(reversed(found.family()), signal.SIGCONT)
