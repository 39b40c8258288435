"""Where one stack lives: its directory, its ports and its options, remembered in stack.json."""

import fcntl
import hashlib
import json
import os
import random
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from nativestack.errors import StackError
from nativestack.probe import port_is_free

# Every port a stack may use. The order is the offset from the port base; never reorder, append only.
DEFAULT_PORTS = {
    "kafka": 9092,
    "connect": 8083,
    "weaviate": 8080,
    "weaviate-grpc": 50051,
    "postgres": 5432,
    "mariadb": 3306,
    "embedder": 8090,
    "connect2": 8084,
    "kafka-controller": 9093,
    "weaviate-gossip": 7102,
    "weaviate-data": 7103,
    "weaviate-raft": 8300,
    "weaviate-raft-rpc": 8301,
    "mysql": 3307,
}
BLOCK = 20
OUTSIDE = Path("/var/lib/headrace-stacks")  # for what another user cannot reach in the usual place
AUTOMATIC_BASES = range(20000, 32000, BLOCK)  # below the ephemeral ports, so that no outgoing connection takes one


def stacks_root() -> Path:
    """The folder that holds one folder per stack."""
    if root := os.environ.get("HEADRACE_STACKS"):
        return Path(root).resolve()
    state = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    return Path(state).resolve() / "headrace" / "stacks"


@dataclass
class Layout:
    """One stack on disk. `components` are those that `up` starts; `settings` overrides theirs."""

    name: str
    directory: Path
    ports: dict[str, int] = field(default_factory=dict)
    components: list[str] = field(default_factory=list)
    settings: dict[str, dict[str, str]] = field(default_factory=dict)
    temporary: bool = False

    @property
    def file(self) -> Path:
        return self.directory / "stack.json"

    def log(self, component: str) -> Path:
        return self.directory / "log" / f"{component}.log"

    def record(self, component: str) -> Path:
        return self.directory / "run" / f"{component}.json"

    def conf(self, file: str) -> Path:
        return self.directory / "conf" / file

    def data(self, component: str, user: str | None = None) -> Path:
        """The component's data directory; elsewhere when `user` cannot walk there (homes are private)."""
        wanted = self.directory / "data" / component
        return wanted if user is None or reachable(wanted.parent) else self.outside / component

    @property
    def outside(self) -> Path:
        digest = hashlib.sha256(str(self.directory).encode()).hexdigest()[:12]
        return OUTSIDE / f"{self.name}-{digest}"

    def save(self) -> None:
        for folder in ("log", "run", "conf", "data", "tmp"):
            (self.directory / folder).mkdir(parents=True, exist_ok=True)
        if os.geteuid() == 0:  # the databases run as another user and must be able to walk in
            self.directory.chmod(0o755)
            (self.directory / "data").chmod(0o755)
        content = asdict(self) | {"directory": str(self.directory)}
        partial = self.file.with_suffix(".partial")
        partial.write_text(json.dumps(content, indent=2) + "\n")
        partial.replace(self.file)

    def wipe(self) -> None:
        """Forget everything; a temporary stack takes the folder that was made for it along."""
        shutil.rmtree(self.outside, ignore_errors=True)
        shutil.rmtree(self.directory, ignore_errors=True)
        root = self.directory.parent
        if self.temporary and [each.name for each in root.iterdir()] == [".lock"]:
            shutil.rmtree(root, ignore_errors=True)


def reachable(folder: Path) -> bool:
    """May any user walk into this folder?"""
    return all(not each.exists() or each.stat().st_mode & 0o001 for each in [folder, *folder.parents])


def load(name: str) -> Layout | None:
    directory = stacks_root() / name
    try:
        content = json.loads((directory / "stack.json").read_text())
    except FileNotFoundError:
        return None
    # A stack of an older version has no place for what was appended since.
    base = content["ports"]["kafka"]
    content["ports"] = (DEFAULT_PORTS if base == DEFAULT_PORTS["kafka"] else block(base)) | content["ports"]
    return Layout(**(content | {"directory": directory}))


def existing(name: str) -> Layout:
    layout = load(name)
    if layout is None:
        known = sorted(each.parent.name for each in stacks_root().glob("*/stack.json"))
        cure = f"stack up --name {name}" + (f", or one of these names: {', '.join(known)}" if known else "")
        raise StackError(f"there is no stack named '{name}' in {stacks_root()}", cure=cure)
    return layout


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """One `stack` command at a time changes this folder; the lock dies with its holder."""
    path.mkdir(parents=True, exist_ok=True)
    with (path / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def choose_ports(base: str | None, mine: Path) -> dict[str, int]:
    """The ports of a new stack: the usual ones, those of a given base, or those of a free block."""
    if base is not None and base != "auto":
        return block(int(base))
    spoken_for = remembered_elsewhere(mine)
    usual = DEFAULT_PORTS
    if base is None and all(port not in spoken_for and port_is_free(port) for port in usual.values()):
        return dict(usual)
    bases = list(AUTOMATIC_BASES)
    random.shuffle(bases)
    for candidate in bases:
        if all(p not in spoken_for and port_is_free(p) for p in range(candidate, candidate + BLOCK)):
            return block(candidate)
    raise StackError("no block of free ports between 20000 and 32000", cure="give one with --port-base")


def block(base: int) -> dict[str, int]:
    if not 1024 <= base <= 65535 - BLOCK:
        raise StackError(f"--port-base {base} leaves no room", cure=f"a number from 1024 to {65535 - BLOCK}")
    return {name: base + offset for offset, name in enumerate(DEFAULT_PORTS)}


def remembered_elsewhere(mine: Path) -> set[int]:
    """Ports of the other stacks, also of stopped ones: they will want them back."""
    taken: set[int] = set()
    for file in stacks_root().glob("*/stack.json"):
        if file.parent != mine:
            taken.update(json.loads(file.read_text())["ports"].values())
    return taken
