"""What a stack tells about itself: status, environment, logs."""

import json
import time
from dataclasses import dataclass
from pathlib import Path

from nativestack.cache import Cache
from nativestack.errors import StackError, tail
from nativestack.layout import Layout
from nativestack.lifecycle import KINDS, component, running
from nativestack.probe import LOOPBACK


@dataclass(frozen=True)
class Row:
    """One component in `stack status`."""

    component: str
    state: str
    pid: int | None
    port: int
    ready: bool
    memory_bytes: int


def status(layout: Layout, cache: Cache) -> list[Row]:
    return [
        row_of(name, layout, cache) for name in KINDS if name in layout.components or running(name, layout) is not None
    ]


def row_of(name: str, layout: Layout, cache: Cache) -> Row:
    each = component(name, layout, cache)
    found = running(name, layout)
    if found is None:
        return Row(name, "stopped", None, each.port, ready=False, memory_bytes=0)
    if found.state() == "T":
        return Row(name, "paused", found.pid, each.port, ready=False, memory_bytes=found.memory())
    ready = each.ready()
    return Row(name, "ready" if ready else "starting", found.pid, each.port, ready, found.memory())


def status_table(layout: Layout, rows: list[Row]) -> str:
    lines = [f"stack {layout.name} in {layout.directory}", "component  state     pid      port    memory"]
    for row in rows:
        memory = f"{row.memory_bytes / 1e6:.0f} MB" if row.memory_bytes else "-"
        lines.append(f"{row.component:<10} {row.state:<9} {row.pid or '-':<8} {row.port:<7} {memory}")
    return "\n".join(lines)


def environment(layout: Layout) -> dict[str, str]:
    """How a program reaches the components of this stack."""
    ports = {name: f"{LOOPBACK}:{port}" for name, port in layout.ports.items()}
    known = {
        "kafka": {"HEADRACE_KAFKA": ports["kafka"]},
        "connect": {"HEADRACE_CONNECT_URL": f"http://{ports['connect']}"},
        "connect2": {"HEADRACE_CONNECT2_URL": f"http://{ports['connect2']}"},
        "weaviate": {
            "HEADRACE_WEAVIATE_URL": f"http://{ports['weaviate']}",
            "HEADRACE_WEAVIATE_GRPC_PORT": str(layout.ports["weaviate-grpc"]),
            "HEADRACE_EMBEDDER_URL": f"http://{ports['embedder']}",  # where Weaviate expects `headrace embedder`
        },
        "postgres": {"POSTGRES_URL": f"postgresql://postgres:postgres@{ports['postgres']}/postgres"},
        "mariadb": {"MARIADB_URL": f"mysql://headrace:headrace@{ports['mariadb']}/mysql"},
        "mysql": {"MYSQL_URL": f"mysql://headrace:headrace@{ports['mysql']}/mysql"},
    }
    return {key: value for name in layout.components for key, value in known[name].items()}


def environment_text(layout: Layout, as_json: bool) -> str:
    values = environment(layout)
    if as_json:
        return json.dumps(values, indent=2)
    return "\n".join(f"export {key}={value}" for key, value in values.items())


def show_logs(layout: Layout, service: str | None, count: int, follow: bool) -> None:
    names = [service] if service else [name for name in KINDS if layout.log(name).exists()]
    files = {name: layout.log(name) for name in names}
    if service and not files[service].exists():
        raise StackError(f"{service} has no log yet", cure=f"stack start {service} --name {layout.name}")
    ends = {name: path.stat().st_size for name, path in files.items()}
    for name, path in files.items():
        show(name, tail(path, count), alone=service is not None)
    while follow:
        for name, path in files.items():
            ends[name] = show_new(name, path, ends[name], alone=service is not None)
        time.sleep(0.3)


def show(name: str, lines: list[str], alone: bool) -> None:
    for line in lines:
        print(line if alone else f"{name:<9} | {line}", flush=True)


def show_new(name: str, path: Path, seen: int, alone: bool) -> int:
    """Print the complete lines after `seen`; returns how far it came."""
    if path.stat().st_size < seen:
        seen = 0  # the log was rotated
    with path.open("rb") as file:
        file.seek(seen)
        complete, newline, _ = file.read().rpartition(b"\n")
    if newline:
        show(name, complete.decode(errors="replace").splitlines(), alone)
    return seen + len(complete) + len(newline)
