"""What is fetched and built once, for all stacks: Kafka's jars, Debezium's plugins, the Weaviate server.

Maven and Go do the fetching; nothing here knows an address. Each artefact is built in a temporary folder
and renamed into place, so it is there completely or not at all; its folder's name holds the versions and
a hash of its recipe.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from nativestack.errors import StackError

RECIPES = Path(__file__).resolve().parent.parent
POM = RECIPES / "pom.xml"
GO_RECIPE = RECIPES / "weaviate"
WEAVIATE_PACKAGE = "github.com/weaviate/weaviate/cmd/weaviate-server"
SECONDS_BETWEEN_LINES = 15
CORE_SECONDS_OF_THE_WEAVIATE_BUILD = 600
CHILDREN: list["subprocess.Popen[bytes]"] = []  # builds under way, to be ended with us


@dataclass(frozen=True)
class Cache:
    root: Path

    @property
    def jars(self) -> Path:
        pom = POM.read_text()
        versions = [version_in(pom, f"<{name}.version>(.+?)<") for name in ("kafka", "debezium")]
        return self.root / f"kafka-{versions[0]}-debezium-{versions[1]}-{digest(POM)}"

    @property
    def weaviate(self) -> Path:
        module = (GO_RECIPE / "go.mod").read_text()
        version = version_in(module, r"github\.com/weaviate/weaviate v([^\s]+)")
        return self.root / f"weaviate-{version}-{digest(GO_RECIPE / 'go.mod', GO_RECIPE / 'go.sum')}"

    def missing(self, wanted: set[str]) -> list[str]:
        return [name for name in sorted(wanted) if not getattr(self, name).exists()]


def open_cache() -> Cache:
    if root := os.environ.get("HEADRACE_CACHE"):
        return Cache(Path(root).resolve())
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Cache(Path(base).resolve() / "headrace")


def version_in(text: str, pattern: str) -> str:
    found = re.search(pattern, text)
    if found is None:
        raise StackError(f"no version matches {pattern} in the recipes in {RECIPES}", cure="restore them from git")
    return found[1]


def digest(*files: Path) -> str:
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:8]


def build(cache: Cache, wanted: set[str]) -> bool:
    """Fetch and build what is missing, side by side. False when there was nothing to do."""
    if not cache.missing(wanted):
        return False
    cache.root.mkdir(parents=True, exist_ok=True)
    with the_only_builder(cache):
        missing = cache.missing(wanted)  # another build may have done it while we waited
        recipes: dict[str, Callable[[Cache], None]] = {"jars": build_jars, "weaviate": build_weaviate}
        failures: list[StackError] = []

        def attempt(name: str) -> None:
            try:
                recipes[name](cache)
            except StackError as error:
                failures.append(error)

        threads = [threading.Thread(target=attempt, args=(name,), daemon=True) for name in missing]
        try:
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        except BaseException:  # Ctrl-C
            for child in CHILDREN:
                child.terminate()
            raise
    if failures:
        raise failures[0]
    return True


@contextmanager
def the_only_builder(cache: Cache) -> Iterator[None]:
    with (cache.root / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another build is under way in this cache; waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def build_jars(cache: Cache) -> None:
    maven = tool("mvn", "apt-get install maven (and openjdk-17-jdk-headless)")
    work = fresh(cache.root / "building-jars")
    shutil.copy(POM, work / "pom.xml")
    command = [
        maven,
        "-B",
        "-ntp",
        "-f",
        str(work / "pom.xml"),
        "generate-resources",
        f"-Dstack.out={work / 'out'}",
    ]
    log = cache.root / "build-jars.log"
    run(command, work, {}, log, "Kafka and Debezium", "about a minute, the first time only")
    shutil.rmtree(work / "out" / "markers", ignore_errors=True)
    (work / "out").rename(cache.jars)
    shutil.rmtree(work)


def build_weaviate(cache: Cache) -> None:
    go = tool(
        "go",
        "install Go 1.21 or newer; it fetches the newer toolchain it needs by itself",
        "/usr/local/go/bin",
    )
    work = fresh(cache.root / "building-weaviate")
    for file in ("go.mod", "go.sum"):
        shutil.copy(GO_RECIPE / file, work)
    (work / "out").mkdir()
    modules = cache.root / "go-modules"
    compiled = cache.root / "go-build"
    environment = {
        "CGO_ENABLED": "0",
        "GOFLAGS": "-mod=readonly -trimpath -buildvcs=false -modcacherw",
        "GOWORK": "off",
        "GOCACHE": str(compiled),
        "GOPATH": str(cache.root / "go"),
        "GOMODCACHE": str(modules),
    }
    minutes = 1 + round(CORE_SECONDS_OF_THE_WEAVIATE_BUILD / 60 / (os.cpu_count() or 1))
    note = f"about {minutes} minutes on {os.cpu_count()} cores, the first time only"
    command = [
        go,
        "build",
        "-ldflags",
        "-s -w",
        "-o",
        str(work / "out" / "weaviate-server"),
        WEAVIATE_PACKAGE,
    ]
    run(command, work, environment, cache.root / "build-weaviate.log", "Weaviate", note)
    (work / "out").rename(cache.weaviate)
    for folder in (work, modules, compiled, cache.root / "go"):  # gigabytes; a failed build keeps them
        shutil.rmtree(folder, ignore_errors=True)


def tool(name: str, cure: str, elsewhere: str = "") -> str:
    found = shutil.which(name) or shutil.which(name, path=elsewhere)
    if found is None:
        raise StackError(f"{name} is not installed, and the native stack is built with it", cure=cure)
    return found


def fresh(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def run(command: list[str], cwd: Path, extra: dict[str, str], log: Path, what: str, note: str) -> None:
    """Run a build with its output in a log, and say every few seconds that it still goes on."""
    say(f"{what}: fetching and building ({note}); log: {log}")
    home = {"HOME": os.environ.get("HOME") or os.path.expanduser("~")}
    began = time.monotonic()
    with log.open("wb") as output:
        child = subprocess.Popen(
            command,
            cwd=cwd,
            env={**os.environ, **home, **extra},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        CHILDREN.append(child)
        code = None
        while code is None:
            try:
                code = child.wait(SECONDS_BETWEEN_LINES)
            except subprocess.TimeoutExpired:
                say(f"{what}: building for {clock(time.monotonic() - began)} ({note})")
    if code != 0:
        raise StackError(f"{what}: the build failed (exit code {code})", log=log, cure="when repaired: stack build")
    say(f"{what}: built in {clock(time.monotonic() - began)}")


def clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
