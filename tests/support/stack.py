"""A stack of real components for tests and benchmarks: native processes, or Docker's containers, one interface.

Native: `docker/native/stack` does the work; see its --help. A stack made here has random ports, a directory of
its own and a watchdog that takes it down when this process disappears, however it ends.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pytest
    from pytest_docker.plugin import Services

DOCKER = Path(__file__).resolve().parents[2] / "docker"
SCRIPT = DOCKER / "native" / "stack"


class StackFailed(RuntimeError):
    """`stack` did not do what it was asked; the text is what it said, with the end of the component's log."""


class Stack:
    """Kafka, Connect, Weaviate, PostgreSQL (and MariaDB) as processes. `env` holds their addresses."""

    def __init__(self, name: str, directory: Path, temporary: bool) -> None:
        self.name = name
        self.directory = directory
        self.temporary = temporary
        self.env: dict[str, str] = {}
        self._away: set[str] = set()
        self._frozen: set[str] = set()

    @classmethod
    def up(
        cls,
        name: str = "test",
        port_base: int | None = None,
        mariadb: bool = False,
        directory: Path | None = None,
        connect_workers: int = 1,
        only: Sequence[str] = (),
        settings: Sequence[str] = (),
    ) -> Stack:
        """Start it and wait until all is ready. In a `directory` of yours the data outlives the stack."""
        temporary = directory is None
        if directory is None:
            directory = Path(tempfile.mkdtemp(prefix="headrace-stack-"))
            directory.chmod(0o711)  # the databases run as another user and walk through it
        stack = cls(name, directory, temporary)
        arguments = [f"--port-base={port_base or 'auto'}", f"--connect-workers={connect_workers}"]
        arguments += [f"--die-with={os.getpid()}", *(f"--set={each}" for each in settings)]
        arguments += ["--mariadb"] if mariadb else []
        arguments += ["--temporary"] if temporary else []
        arguments += [f"--only={','.join(only)}"] if only else []
        if port_base is None and (directory / name / "stack.json").exists():
            arguments.remove("--port-base=auto")  # it remembers its ports
        try:
            stack.run("up", *arguments)
            stack.env = json.loads(stack.run("env", "--json"))
        except BaseException:
            stack.down()
            raise
        return stack

    @classmethod
    def running(cls, name: str) -> Stack:
        """One that somebody started in the usual place; it is theirs to stop."""
        root = os.environ.get("HEADRACE_STACKS")
        base = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
        stack = cls(name, Path(root) if root else Path(base) / "headrace" / "stacks", temporary=False)
        stack.env = json.loads(stack.run("env", "--json"))
        return stack

    def run(self, verb: str, *arguments: str) -> str:
        """Call the script; what it reports goes to our stderr as it comes, what it prints is returned."""
        command = [sys.executable, str(SCRIPT), verb, f"--name={self.name}", *arguments]
        environment = {**os.environ, "HEADRACE_STACKS": str(self.directory)}
        said: list[str] = []
        with (
            tempfile.TemporaryFile("w+") as output,
            subprocess.Popen(
                command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.PIPE, text=True
            ) as process,
        ):
            assert process.stderr is not None
            for line in process.stderr:
                said.append(line)
                print(line, end="", file=sys.stderr, flush=True)
            process.wait()
            output.seek(0)
            printed = output.read()
        if process.returncode != 0:
            raise StackFailed("".join(said) or f"stack {verb} ended with {process.returncode}")
        return printed

    def start(self, service: str) -> None:
        """Start one component and wait until it is ready; a component the stack does not have yet joins it."""
        self.run("start", service)
        self.env = json.loads(self.run("env", "--json"))
        self._away.discard(service)
        self._frozen.discard(service)

    def restore(self) -> None:
        """Everything that was there runs again: a test that failed half way must not make the next ones fail."""
        for service in sorted(self._frozen):
            try:
                self.resume(service)
            except StackFailed:  # it has ended by itself
                self._away.add(service)
        for service in sorted(self._away, key=lambda name: name.startswith("connect")):  # it needs Kafka
            self.start(service)

    def stop(self, service: str) -> None:
        self._away.add(service)
        self._frozen.discard(service)
        self.run("stop", service)

    def kill(self, service: str) -> None:
        """kill -9, its children too."""
        self._away.add(service)
        self._frozen.discard(service)
        self.run("kill", service)

    def pause(self, service: str) -> None:
        """Freeze it (SIGSTOP): it holds its connections and answers nothing."""
        self._frozen.add(service)
        self.run("pause", service)

    def resume(self, service: str) -> None:
        self.run("resume", service)
        self._frozen.discard(service)

    def logs(self, service: str, lines: int = 1000) -> str:
        return self.run("logs", service, "-n", str(lines))

    def status(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = json.loads(self.run("status", "--json"))
        return rows

    def down(self) -> None:
        """Stop everything; with a temporary directory nothing is left. May be called twice."""
        if (self.directory / self.name / "stack.json").exists():
            self.run("down", *(["--wipe"] if self.temporary else []))
        if self.temporary:
            shutil.rmtree(self.directory, ignore_errors=True)


class DockerStack:
    """The same from docker/compose.yaml, through pytest-docker. Written without a Docker engine at hand: not run."""

    SERVICES = ("kafka", "connect", "weaviate", "postgres")

    def __init__(self, services: Services, closing: contextlib.ExitStack, ports: dict[str, int]) -> None:
        self.services = services
        self.closing = closing
        local = "127.0.0.1"
        self.env = {
            "HEADRACE_KAFKA": f"{local}:{ports['KAFKA_PORT']}",
            "HEADRACE_CONNECT_URL": f"http://{local}:{ports['CONNECT_PORT']}",
            "HEADRACE_WEAVIATE_URL": f"http://{local}:{ports['WEAVIATE_PORT']}",
            "HEADRACE_WEAVIATE_GRPC_PORT": str(ports["WEAVIATE_GRPC_PORT"]),
            "HEADRACE_EMBEDDER_URL": f"http://{local}:{ports['EMBEDDER_PORT']}",
            "POSTGRES_URL": f"postgresql://postgres:postgres@{local}:{ports['POSTGRES_PORT']}/postgres",
        }
        # They join when they are started: a test that finds no address starts its server.
        self.later = {
            name: {f"{name.upper()}_URL": f"mysql://headrace:headrace@{local}:{ports[f'{name.upper()}_PORT']}/mysql"}
            for name in ("mariadb", "mysql")
        }

    @classmethod
    def up(cls, request: pytest.FixtureRequest) -> DockerStack:
        """Start the servers, and the embedder that Weaviate calls: containers cannot reach one on the host."""
        from pytest_docker.plugin import get_docker_services

        names = (
            "KAFKA",
            "CONNECT",
            "WEAVIATE",
            "WEAVIATE_GRPC",
            "POSTGRES",
            "MARIADB",
            "MYSQL",
            "EMBEDDER",
        )
        base = free_block(len(names))
        ports = {f"{name}_PORT": base + offset for offset, name in enumerate(names)}
        for name, port in ports.items():
            os.environ[name] = str(port)  # compose.yaml reads them; every later `docker compose` must see the same
        wanted = [*cls.SERVICES, "embedder"]
        closing = contextlib.ExitStack()
        services = closing.enter_context(
            get_docker_services(
                request.getfixturevalue("docker_compose_command"),
                str(DOCKER / "compose.yaml"),
                f"headrace-{base}",
                [f"up --build --wait {' '.join(wanted)}"],
                ["--profile mariadb --profile mysql down --volumes"],
            )
        )
        return cls(services, closing, ports)

    def compose(self, subcommand: str) -> str:
        output: bytes = self.services._docker_compose.execute(subcommand)
        return output.decode(errors="replace")

    def start(self, service: str) -> None:
        self.compose(f"up --wait --no-recreate {service}")
        self.env |= self.later.get(service, {})

    def stop(self, service: str) -> None:
        self.compose(f"stop {service}")

    def kill(self, service: str) -> None:
        self.compose(f"kill {service}")

    def pause(self, service: str) -> None:
        self.compose(f"pause {service}")

    def resume(self, service: str) -> None:
        self.compose(f"unpause {service}")

    def logs(self, service: str, lines: int = 1000) -> str:
        return self.compose(f"logs --no-color --no-log-prefix --tail {lines} {service}")

    def down(self) -> None:
        self.closing.close()


def free_block(size: int) -> int:
    """The first of `size` consecutive free ports, below those that outgoing connections use."""
    for _ in range(200):
        base = random.randrange(20000, 32000, 20)
        if all(is_free(port) for port in range(base, base + size)):
            return base
    raise StackFailed("no block of free ports between 20000 and 32000")


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
