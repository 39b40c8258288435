"""What holds for every command: help that teaches, errors as one message with a cure, exit codes, settings."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main

from sync.cli import environment, terminal
from sync.cli.main import app
from sync.errors import ConnectUnreachable, MappingError, PreflightFailed
from tests.support.command import Command

HEAVY = {"weaviate", "faust", "wordllama", "numpy", "sqlalchemy", "aiokafka", "psycopg", "requests", "cohere"}
COMMANDS = [
    "init",
    "lint",
    "test",
    "show",
    "doctor",
    "apply",
    "remove",
    "run",
    "embedder",
    "backfill",
    "status",
    "wait",
    "search",
    "demo",
]


@pytest.fixture
def headrace(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Command:
    monkeypatch.chdir(tmp_path)
    return Command(monkeypatch, capsys, HEADRACE_STATE_URL=f"sqlite:///{tmp_path}/state.db")


def test_every_command_that_was_asked_for_is_there() -> None:
    assert set(COMMANDS) <= set(typer.main.get_command(app).commands)  # type: ignore[attr-defined]


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_every_command_teaches_with_an_example(headrace: Command, command: str) -> None:
    ran = headrace(command, "--help", COLUMNS="120")
    assert ran.code == 0
    assert "Examples:" in ran.out
    assert re.search(rf"^\s*(HEADRACE_\w+=\S+ |git show .*\| )?headrace {command}", ran.out, re.M)


@pytest.mark.parametrize("command", sorted(set(COMMANDS) - {"run", "embedder"}))
def test_every_command_that_answers_something_answers_it_in_json_too(headrace: Command, command: str) -> None:
    assert "--json" in headrace(command, "--help", COLUMNS="120").out


@pytest.mark.parametrize("columns", [80, 120])
@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_keeps_within_the_terminal(headrace: Command, command: str, columns: int) -> None:
    ran = headrace(*([command] if command else []), "--help", COLUMNS=str(columns))
    assert max(map(len, ran.out.splitlines())) <= columns


@pytest.mark.parametrize(
    ("program", "heavy"),
    [
        ("import sync.cli.main", HEAVY | {"pydantic", "jinja2", "ruamel"}),
        ("from sync.cli.mapping_files import check; check('mappings/airline.yml')", HEAVY),
    ],
    ids=["help", "lint"],
)
def test_what_a_command_does_not_need_is_not_imported(program: str, heavy: set[str]) -> None:
    script = f"import sys\n{program}\nprint(*sys.modules)"
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=True)
    assert heavy & set(done.stdout.split()) == set()


def test_an_unknown_command_is_met_with_the_nearest_one(headrace: Command) -> None:
    ran = headrace("statsu")
    assert ran.code == 2
    assert "status" in ran.err


def failing(headrace: Command, monkeypatch: pytest.MonkeyPatch, error: Exception) -> tuple[int, str]:
    def fails(**_: bool) -> None:
        raise error

    monkeypatch.setattr("sync.cli.status.open_state", fails)
    ran = headrace("status")
    assert ran.out == ""
    return ran.code, ran.err


def test_an_error_of_ours_is_its_message_and_its_advice_and_no_traceback(
    headrace: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, said = failing(headrace, monkeypatch, ConnectUnreachable("Kafka Connect at x does not answer"))
    assert code == 2
    assert said == (
        "headrace: Kafka Connect at x does not answer\n"
        "  Check HEADRACE_CONNECT_URL, and that Kafka Connect is running.\n"
    )


@pytest.mark.parametrize("error", [MappingError("m.yml:1:1 …"), PreflightFailed("wal_level is replica")])
def test_findings_end_with_one(headrace: Command, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    assert failing(headrace, monkeypatch, error)[0] == 1


def test_a_defect_says_where_it_is_and_quotes_nothing(headrace: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    code, said = failing(headrace, monkeypatch, ValueError("Maria Rossi"))
    assert code == 2
    assert "unexpected ValueError in test_cli_main.py:" in said
    assert "report" in said
    assert "HEADRACE_LOG_LEVEL=DEBUG" in said
    assert "Rossi" not in said
    assert "Traceback" not in said


def test_a_defect_shows_its_traceback_when_debugging(headrace: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADRACE_LOG_LEVEL", "DEBUG")
    assert "Traceback" in failing(headrace, monkeypatch, ValueError("x"))[1]


def test_a_setting_that_makes_no_sense_is_named_without_its_value(headrace: Command) -> None:
    ran = headrace("status", HEADRACE_WRITE_LANES="secret?", HEADRACE_WEAVIATE_GRPC_PORT="x")
    assert ran.code == 2
    assert "HEADRACE_WRITE_LANES" in ran.err
    assert "HEADRACE_WEAVIATE_GRPC_PORT" in ran.err
    assert "secret?" not in ran.err


def test_variables_of_a_env_file_count_as_environment_and_the_environment_wins(
    headrace: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AIRLINE_URL", "")  # so that it is taken away again
    monkeypatch.delenv("AIRLINE_URL")
    monkeypatch.setenv("HEADRACE_KAFKA", "from-environment:1")
    (tmp_path / ".env").write_text("AIRLINE_URL=postgresql://x\nHEADRACE_KAFKA=from-file:1\nHEADRACE_EMBEDDER=openai\n")
    monkeypatch.setenv("HEADRACE_EMBEDDER", "")
    monkeypatch.delenv("HEADRACE_EMBEDDER")
    headrace("status")
    assert os.environ["AIRLINE_URL"] == "postgresql://x"
    assert environment.origin("embedder") == ".env"
    assert environment.origin("kafka") == "environment"
    assert environment.origin("connect_url") == "default"
    found = {each["setting"]: each["value"] for each in environment.listed(environment.settings())}
    assert found["HEADRACE_KAFKA"] == "from-environment:1"
    assert found["HEADRACE_EMBEDDER"] == "openai"


def test_secrets_are_listed_as_stars(headrace: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADRACE_PRIVACY_SALT", "pepper")
    monkeypatch.setenv("HEADRACE_STATE_URL", "postgresql://me:hunter2@db/state")
    shown = str(environment.listed(environment.settings()))
    assert "pepper" not in shown
    assert "hunter2" not in shown
    assert "postgresql://me:***@db/state" in shown


def test_a_variable_that_nothing_reads_is_named_with_the_nearest_one(
    headrace: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADRACE_KAFAK", "x:1")
    assert environment.unknown() == ["HEADRACE_KAFAK (nearest: HEADRACE_KAFKA)"]


def test_in_a_pipe_a_line_is_not_folded_and_has_no_colour(
    headrace: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal.line("word " * 60, "red")
    terminal.show(terminal.table(["A", "B"], [["x" * 90, "y" * 90]]))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == ("word " * 60)
    assert [line.split() for line in lines[1:]] == [["A", "B"], ["x" * 90, "y" * 90]]
    assert not any("\x1b" in line for line in lines)


def test_what_stands_in_brackets_is_text_and_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.line("key [7,2] [red] :smile:")
    assert capsys.readouterr().out == "key [7,2] [red] :smile:\n"
