"""`headrace doctor`: one line per thing that the service depends on, and every setting with where it came from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

import typer
from rich.text import Text

from sync.cli import environment, terminal
from sync.cli.check import FAILED, OK, PATIENCE, WARNING, Checked, Unwell, check
from sync.cli.environment import settings
from sync.cli.mapping_files import counted

if TYPE_CHECKING:
    from sync.settings import Settings
    from sync.state.registry import Registered


def doctor(json: terminal.Json = False) -> None:
    """Check everything that Headrace depends on: one line each, with advice where something is wrong.

    State, Kafka, Kafka Connect with its plugins, Weaviate, embedder, and of every applied mapping the database, its
    replication slot and the connector. Then every setting, with where it came from. Exit code 1 if a check failed.

    Examples:

        headrace doctor
        headrace doctor --json | jq '.checks[] | select(.result != "OK")'
    """
    wanted = settings()
    checks: list[Checked] = []
    for checked in examine(wanted):
        checks.append(checked)
        if not json:
            _print(checked)
    listed = environment.listed(wanted)
    failed = sum(each.result == FAILED for each in checks)
    if json:
        terminal.print_json({"checks": [asdict(each) for each in checks], "settings": listed})
    else:
        terminal.line()
        rows = [[each["setting"], each["value"], each["origin"]] for each in listed]
        terminal.show(terminal.table(["SETTING", "VALUE", "FROM"], rows))
        terminal.line()
        terminal.line(f"{counted(failed, 'check')} failed" if failed else "All checks passed!")
    if failed:
        raise typer.Exit(terminal.FINDINGS)


def examine(wanted: Settings) -> Iterator[Checked]:
    """Every check, as it is made. What one needs and another found missing is not asked again."""
    for name in environment.unknown():
        yield Checked("settings", WARNING, f"nothing reads {name}")
    registered: list[Registered] = []
    yield check("state", lambda: _state(wanted, registered), wanted.state_url)
    yield check("Kafka", lambda: _kafka(wanted), wanted.kafka)
    yield check("Kafka Connect", lambda: _connect(wanted), wanted.connect_url)
    yield check("Weaviate", lambda: _weaviate(wanted), wanted.weaviate_url)
    yield check("embedder", lambda: _embedder(wanted), wanted.embedder)
    if wanted.embedder == "local":
        yield check("embedder for queries", lambda: _embedder_service(wanted), wanted.embedder_url)
    from sync.cli.doctor_sources import examine_source, left_over

    for mapping in registered:
        for source in mapping.sources:
            yield from examine_source(mapping, source, wanted)
    yield from left_over(registered, wanted)


def _state(wanted: Settings, registered: list[Registered]) -> str:
    from sync.cli.status import workers
    from sync.state.database import State, is_there
    from sync.state.leases import members
    from sync.state.registry import applied, load

    if not is_there(wanted.state_url):
        return f"{wanted.state_url} (not there yet: `headrace apply` makes it); no mapping applied"
    state = State(wanted.state_url)
    try:
        with state.read() as connection:
            registered += [load(connection, name) for name in sorted(applied(connection))]
            kind = "SQLite, one worker" if state.is_sqlite else f"PostgreSQL; {workers(members(connection))}"
        names = ", ".join(each.name for each in registered) or "no mapping applied"
        return f"{state.url.render_as_string(hide_password=True)} ({kind}); {names}"
    finally:
        state.close()


def _kafka(wanted: Settings) -> str:
    from connectors.topics import Topics

    Topics(wanted.kafka, timeout=PATIENCE).describe("headrace")
    return f"{wanted.kafka} answers"


def _connect(wanted: Settings) -> str:
    from connectors.connect import Connect

    with Connect(wanted.connect_url, timeout=PATIENCE, patience=PATIENCE) as connect:
        version, plugins = connect.version(), connect.plugins()
        debezium = {
            name.rpartition(".")[2].removesuffix("Connector"): number
            for name, number in plugins.items()
            if name.startswith("io.debezium.connector.")
        }
        if "Postgres" not in debezium:
            connect.require_plugin("io.debezium.connector.postgresql.PostgresConnector")
    found = ", ".join(f"{name} {number}" for name, number in sorted(debezium.items()))
    return f"{wanted.connect_url}, version {version}; Debezium {found}"


def _weaviate(wanted: Settings) -> str:
    from sync.errors import WeaviateUnreachable
    from sync.write.addresses import addresses
    from sync.write.weaviate import Weaviate  # first: it silences its client's import
    from sync.write.outcome import asking  # isort: skip

    with Weaviate(wanted) as weaviate:
        with asking("read Weaviate's meta information"):
            meta = weaviate.client.get_meta()
        if not weaviate.ready():
            where = "{grpc_host}:{grpc_port}".format(**addresses(wanted))
            raise WeaviateUnreachable(
                f"{wanted.weaviate_url} answers, and its gRPC at {where} does not take requests",
                advice="Check HEADRACE_WEAVIATE_GRPC_PORT, or HEADRACE_WEAVIATE_GRPC_URL where it is on another host.",
            )
    module = {"local": "text2vec-transformers"}.get(wanted.embedder, f"text2vec-{wanted.embedder}")
    if module not in (meta.get("modules") or {}):
        raise Unwell(
            f"Weaviate {meta.get('version')} runs without the module {module}, by which it embeds an app's query",
            advice=f"Add {module} to Weaviate's ENABLE_MODULES and restart it.",
        )
    return f"{wanted.weaviate_url}, version {meta.get('version')}, with {module}"


def _embedder(wanted: Settings) -> str:
    from sync.embed.choose import embedder

    chosen = embedder(wanted)
    model = chosen.describe()
    chosen.embed(["Is anybody there?"], purpose="query")
    return f"{model.name}, {model.dimensions} dimensions"


def _embedder_service(wanted: Settings) -> str:
    import requests

    advice = "Start `headrace embedder`: without it near_text and hybrid fail; keyword search and filters work."
    try:
        answer = requests.get(f"{wanted.embedder_url.rstrip('/')}/meta", timeout=PATIENCE)
        answer.raise_for_status()
    except requests.RequestException as exc:
        raise Unwell(f"nothing serves {wanted.embedder_url} ({type(exc).__name__})", advice=advice) from exc
    return f"{wanted.embedder_url} answers"


def _print(checked: Checked) -> None:
    style = {OK: "green", WARNING: "yellow", FAILED: "bold red"}[checked.result]
    text = (
        Text(f"{checked.result:8}", style)
        .append(f"{checked.what}: ", "default not dim")
        .append(checked.found, "default not bold")
    )
    terminal.line(text)
    if checked.advice:
        terminal.line(checked.advice, indent=8)
