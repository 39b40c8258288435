"""What every component has in common: how it is prepared, when it is ready, and how it is told to stop."""

import os
import pwd
import shutil
import signal
import subprocess
from pathlib import Path

from nativestack.cache import Cache
from nativestack.errors import StackError
from nativestack.layout import Layout
from nativestack.process import Command


class Component:
    """One server of the stack. `needs` must be ready before it starts; `ports` names those it opens."""

    name = ""
    needs: tuple[str, ...] = ()
    artefacts: tuple[str, ...] = ()
    ports: tuple[str, ...] = ()
    stop_signal = signal.SIGTERM
    wipe_signal = signal.SIGKILL  # used when the data goes anyway; must leave no shared memory behind
    start_patience = 180.0  # a machine may be busy; a component that ends is noticed at once
    stop_patience = 20.0

    def __init__(self, layout: Layout, cache: Cache) -> None:
        self.layout = layout
        self.cache = cache

    @property
    def port(self) -> int:
        return self.layout.ports[self.ports[0]]

    @property
    def settings(self) -> dict[str, str]:
        """What the user set with --set; it wins over ours."""
        return self.layout.settings.get(self.name, {})

    @property
    def initialised(self) -> Path:
        """Exists once the data directory is complete: an interrupted initialisation starts over."""
        return self.layout.directory / "data" / f"{self.name}.initialised"

    def require(self) -> None:
        """Find, or install, what the cache does not hold. Called before anything starts."""

    def prepare(self) -> Command:
        """Write the configuration and create the data if there is none. Called before every start."""
        raise NotImplementedError

    def ready(self) -> bool:
        raise NotImplementedError


# Java's second compiler would keep a core busy through the first minutes, which is as long as most stacks live.
QUICK = "-XX:TieredStopAtLevel=1"


def java_command(layout: Layout, cache: Cache, main: str, arguments: list[str], memory: list[str]) -> list[str]:
    """A JVM with Kafka's jars. It leaves no files in the machine's /tmp, not even when it is killed."""
    return [
        java(),
        *memory,
        "-XX:+UseSerialGC",
        "-XX:-UsePerfData",
        "-XX:+ExitOnOutOfMemoryError",
        f"-Djava.io.tmpdir={layout.directory / 'tmp'}",
        f"-Dlog4j2.configurationFile={Path(__file__).parent.parent / 'log4j2.properties'}",
        "-cp",
        f"{cache.jars / 'libs'}/*",
        main,
        *arguments,
    ]


def java() -> str:
    home = os.environ.get("JAVA_HOME")
    found = shutil.which(f"{home}/bin/java") if home else shutil.which("java")
    if found is None:
        raise StackError("Java is not installed", cure="apt-get install openjdk-17-jre-headless (17 or newer)")
    return found


def write_properties(path: Path, properties: dict[str, str]) -> Path:
    path.write_text("".join(f"{key}={value}\n" for key, value in properties.items()))
    return path


def unprivileged_user(*candidates: str) -> str | None:
    """Databases refuse to run as root: the first of these users that exists. None when we are not root."""
    if os.geteuid() != 0:
        return None
    for name in candidates:
        try:
            pwd.getpwnam(name)
        except KeyError:
            continue
        return name
    raise StackError(f"none of the users {', '.join(candidates)} exists", cure="useradd --system headrace-db")


def own(folder: Path, user: str | None) -> None:
    """Create a data directory that only `user` can read, in folders that every user can cross."""
    folder.mkdir(parents=True, exist_ok=True)
    if user is not None:
        folder.parent.chmod(0o755)
        folder.parent.parent.chmod(0o755)
        shutil.chown(folder, user)
    folder.chmod(0o700)


HELPERS: list["subprocess.Popen[bytes]"] = []  # commands of a preparation, to be ended when it is interrupted


def run_once(argv: list[str], log: Path, what: str, user: str | None = None, cwd: Path = Path("/")) -> None:
    """Run a command of the preparation to its end; its output goes to the component's log."""
    identity = pwd.getpwnam(user) if user else None
    with log.open("ab") as output:
        child = subprocess.Popen(
            argv,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            user=identity.pw_uid if identity else None,
            group=identity.pw_gid if identity else None,
            extra_groups=[] if identity else None,
        )
    HELPERS.append(child)
    if child.wait() != 0:
        raise StackError(f"{what} failed (exit code {child.returncode})", log=log)


def end_helpers() -> None:
    for child in HELPERS:
        child.terminate()
