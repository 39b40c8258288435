"""What docs/ tells people to type, typed: every command and every program, in the order in which they stand."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from sync.demo import airline
from tests.support import embedder
from tests.support.process import Process

if TYPE_CHECKING:
    from tests.support.stack import Stack

ROOT = Path(__file__).resolve().parents[2]
DOCS = ("dba.md", "rag-author.md", "operators.md")
BLOCK = re.compile(r"^```(console|python)( background)?\n(.*?)^```$", re.M | re.S)
YOURS = "…"  # in a command: something that the reader fills in
LAST = "headrace remove"  # what a page shows at its end must not take away what the next one needs


@dataclass(frozen=True)
class Command:
    """A line after `$ `, and what the page says it prints."""

    page: str
    text: str
    prints: tuple[str, ...]
    background: bool = False


def blocks(page: str, kind: str) -> list[tuple[bool, str]]:
    found = BLOCK.findall((ROOT / "docs" / page).read_text())
    return [(bool(background), body) for what, background, body in found if what == kind]


def commands(page: str) -> Iterator[Command]:
    for background, body in blocks(page, "console"):
        assert body.startswith("$ "), f"{page}: a console block begins with a command"
        for part in re.split(r"^\$ ", body, flags=re.M)[1:]:
            text, *prints = part.splitlines()
            yield Command(page, text, tuple(line for line in prints if line), background)


def pattern(line: str) -> re.Pattern[str]:
    """The line with any numbers, any blanks, and anything where it says `…`."""
    parts = re.split(r"(\d[\d,.]*|\s+|…)", line)
    known = {"…": ".*"}
    return re.compile(
        "".join(
            known.get(p) or (r"[\d,.]+" if p[:1].isdigit() else r"\s+" if p.isspace() else re.escape(p)) for p in parts
        )
    )


class Reader:
    """Somebody who follows the pages in one shell: what is exported stays exported."""

    def __init__(self, home: Path, env: dict[str, str]) -> None:
        self.home, self.exported = home, home / "exported"
        self.work = home / "work"
        self.work.mkdir()
        (home / "headrace").symlink_to(ROOT)
        path = f"{Path(sys.executable).parent}:{env['PATH']}"
        self.env = {**env, "HOME": str(home), "PATH": path, "PYTHONUNBUFFERED": "1"}
        self.exported.write_text("")
        self.services: list[Process] = []

    def type(self, command: Command) -> None:
        if YOURS in command.text:
            return
        script = f". {self.exported}\n{command.text}\ncode=$?\nexport -p > {self.exported}\nexit $code"
        if command.background:
            started = f". {self.exported}\nexec {command.text}"
            self.services.append(Process(["bash", "-c", started], self.env, self.home / f"{len(self.services)}.log"))
            return
        done = subprocess.run(
            ["bash", "-c", script], env=self.env, cwd=self.work, capture_output=True, text=True, timeout=240,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        said = f"{command.page}: $ {command.text}\n{done.stdout}\n{done.stderr}"
        assert done.returncode == 0, said
        for line in command.prints:
            assert pattern(line).search(done.stdout), f"the page says it prints {line!r}\n{said}"

    def run(self, page: str) -> None:
        """The programs of a page as one."""
        program = "\n".join(body for _, body in blocks(page, "python"))
        if program:
            file = self.home / "program.py"
            # Weaviate's authentication library announces a move of its own on every import.
            file.write_text(program)
            done = subprocess.run(
                [sys.executable, str(file)], env=self.env, cwd=self.work, capture_output=True, text=True, timeout=120
            )
            assert done.returncode == 0, f"{page}:\n{done.stderr}"
            assert "Gold" in done.stdout, f"{page}: it printed\n{done.stdout}"

    def close(self) -> None:
        for service in self.services:
            service.send(signal.SIGTERM)
            service.process.wait(60)


@pytest.fixture
def reader(stack: Stack, tmp_path: Path) -> Iterator[Reader]:
    url = airline.database(stack.env["POSTGRES_URL"], "airline_of_the_docs")
    airline.ensure(url, airline.Sizes(customers=30, flights=10, bookings=40, tickets=80))
    plain = {name: value for name, value in os.environ.items() if not name.startswith("HEADRACE_")}
    state = {"HEADRACE_STATE_URL": f"sqlite:///{tmp_path}/state.db", "AIRLINE_URL": url}
    made = Reader(tmp_path, {**plain, **stack.env, **state})
    try:
        with embedder.running(stack.env):
            yield made
    finally:
        subprocess.run(
            ["headrace", "remove", "airline", "--collections", "--yes"],
            env=made.env,
            cwd=made.work,
            capture_output=True,
        )
        made.close()
        with psycopg.connect(stack.env["POSTGRES_URL"], autocommit=True) as connection:
            connection.execute("drop database airline_of_the_docs with (force)")


@pytest.mark.timeout(1800)  # some thirty commands, one after the other
def test_every_command_and_program_of_the_docs_does_what_its_page_says(reader: Reader) -> None:
    at_the_end = []
    for page in DOCS:
        for command in commands(page):
            if command.text.startswith(LAST):
                at_the_end.append(command)
            else:
                reader.type(command)
        reader.run(page)
    for command in at_the_end:
        reader.type(command)


def test_every_setting_is_in_the_operators_table_with_its_default() -> None:
    from sync.settings import Settings

    text = (ROOT / "docs" / "operators.md").read_text()
    for name, field in Settings.model_fields.items():
        default = f"`{field.default}`" if field.default else ""
        row = f"| `HEADRACE_{name.upper()}` | {default} | {field.description} |".replace("|  |", "| |")
        assert row in text, row


def test_a_line_of_a_page_is_held_against_what_is_printed_except_for_its_numbers() -> None:
    assert pattern("airline: searchable after … ms").search("airline: searchable after 27 ms")
    assert pattern("2 tests passed").search("3 tests passed")
    assert not pattern("2 tests passed").search("2 tests failed")
    assert not pattern("✓ connector … runs").search("connector is away")
