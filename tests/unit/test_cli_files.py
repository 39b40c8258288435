"""`headrace lint` and `headrace test`: findings on one line each, files and standard input, exit codes."""

from __future__ import annotations

import re
import shutil
from collections.abc import Collection
from pathlib import Path
from types import SimpleNamespace

import pytest

from sync.mapping.lock import SourceLock
from sync.mapping.lockfile import read_lock
from tests.support.command import Command

MAPPING = Path(__file__).resolve().parents[2] / "mappings" / "airline.yml"


@pytest.fixture
def headrace(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Command:
    (tmp_path / "mappings").mkdir()
    monkeypatch.chdir(tmp_path)
    return Command(monkeypatch, capsys, AIRLINE_URL="postgresql://nobody@127.0.0.1:1/airline")


@pytest.fixture
def airline(headrace: Command, tmp_path: Path) -> Path:
    for suffix in (".yml", ".lock"):
        shutil.copy(MAPPING.with_suffix(suffix), tmp_path / "mappings")
    return Path("mappings/airline.yml")


def change(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


def test_a_good_mapping_is_found_in_its_folder_and_has_nothing_against_it(headrace: Command, airline: Path) -> None:
    ran = headrace("lint")
    assert (ran.code, ran.out, ran.err) == (0, "1 file: nothing to say against it\n", "")


def test_every_finding_stands_on_one_line_with_file_line_column_code_and_severity(
    headrace: Command, airline: Path
) -> None:
    change(airline, "dist_nm:   {label", "dist_nm:   {lable")
    change(airline, "by: customer_id}", "by: custmer_id}")
    ran = headrace("lint", str(airline))
    lines = ran.out.splitlines()
    assert ran.code == 1
    assert any(re.match(r"mappings/airline.yml:\d+:\d+ M010 error .*label", line) for line in lines)
    assert any(" M102 error " in line and "(nearest: customer_id)" in line for line in lines)
    assert lines[-1] == "1 file: 2 errors, 0 warnings"


def test_warnings_do_not_fail(headrace: Command, airline: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AIRLINE_URL")
    ran = headrace("lint")
    assert ran.code == 0
    assert " M161 warning " in ran.out
    assert "0 errors, 1 warning" in ran.out


def test_findings_in_json_are_a_list_and_nothing_else(headrace: Command, airline: Path) -> None:
    change(airline, "root: bookings", "root: bokings")
    ran = headrace("lint", "--json")
    assert ran.code == 1
    assert {"file", "line", "column", "code", "severity", "message"} == set(ran.json[0])
    assert "M101" in {finding["code"] for finding in ran.json}


def test_a_mapping_is_read_from_standard_input(headrace: Command, airline: Path) -> None:
    ran = headrace("lint", "-", stdin="version: 1\nname: airline\nnmae: x\n")
    assert ran.code == 1
    assert "<stdin>:3:1 M010 error unknown field nmae (nearest: name)" in ran.out


def test_several_files_are_all_checked(headrace: Command, airline: Path) -> None:
    Path("mappings/bad.yml").write_text("version: [")
    ran = headrace("lint")
    assert ran.code == 1
    assert "mappings/bad.yml:" in ran.out
    assert ran.out.splitlines()[-1].startswith("2 files: ")


@pytest.mark.parametrize("command", ["lint", "test"])
def test_no_mapping_at_all_says_how_to_get_one(headrace: Command, command: str) -> None:
    ran = headrace(command)
    assert ran.code == 2
    assert "there is no mapping in mappings/" in ran.err
    assert "headrace init" in ran.err


def test_a_file_that_is_not_there_is_a_finding_with_the_nearest_name(headrace: Command, airline: Path) -> None:
    ran = headrace("lint", "mappings/airlin.yml")
    assert ran.code == 1
    assert "mappings/airlin.yml:0:0 M001 error no such file (nearest: airline.yml)" in ran.out


def test_codes_are_listed_with_their_meaning(headrace: Command) -> None:
    ran = headrace("lint", "--codes")
    assert ran.code == 0
    assert any(line.split(maxsplit=1) == ["M012", "duplicate key"] for line in ran.out.splitlines())
    assert any(line.startswith("M210 ") for line in ran.out.splitlines())


def test_live_names_a_renamed_table_though_it_is_not_mapped(
    headrace: Command, airline: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    locked, _ = read_lock(MAPPING.with_suffix(".lock"))
    assert locked is not None
    there = dict(locked.sources["airline"].tables)
    there["public.flights2"] = there.pop("public.flights")

    def catalogue(tables: Collection[str] | None = None) -> SourceLock:
        found = {name: table for name, table in there.items() if tables is None or name in tables}
        return SourceLock(connector="postgres", tables=found)

    monkeypatch.setattr("connectors.registration.source_database", lambda *_: SimpleNamespace(catalogue=catalogue))
    monkeypatch.setattr("connectors.registration.preflight", lambda *_: {})
    monkeypatch.setenv("AIRLINE_URL", "postgresql://db/airline")
    ran = headrace("lint", "--live")
    assert "M201 error table public.flights is gone from the database (nearest: public.flights2)" in ran.out


def test_live_without_a_database_cannot_run_and_still_prints_the_findings(headrace: Command, airline: Path) -> None:
    airline.write_text(airline.read_text().partition("\ntests:")[0] + "\n")
    ran = headrace("lint", "--live")
    assert ran.code == 2
    assert " M170 warning " in ran.out
    assert "does not answer" in ran.err


def test_the_mappings_own_tests_are_run_and_named(headrace: Command, airline: Path) -> None:
    ran = headrace("test")
    assert ran.code == 0
    assert "✓ mappings/airline.yml: a cancelled leg says so, and nothing personal leaks" in ran.out
    assert "passed" in ran.out.splitlines()[-1]


def test_a_failing_test_shows_what_was_expected_and_what_stands_there(headrace: Command, airline: Path) -> None:
    change(airline, "Gold member", "Platinum member")
    ran = headrace("test")
    assert ran.code == 1
    assert "✗ mappings/airline.yml: a cancelled leg" in ran.out
    assert 'expected the text to contain "Platinum member"' in ran.out
    assert "a Gold member" in ran.out
    assert "1 failed" in ran.out.splitlines()[-1]


def test_results_in_json_name_file_test_and_problems(headrace: Command, airline: Path) -> None:
    change(airline, "Gold member", "Platinum member")
    failed = next(each for each in headrace("test", "--json").json if not each["passed"])
    assert failed["file"] == "mappings/airline.yml"
    assert "Platinum member" in failed["problems"][0]


def test_selecting_tests_runs_no_others(headrace: Command, airline: Path) -> None:
    assert headrace("test", "--select", "no test is called so").out == "no test ran\n"


def test_a_mapping_with_errors_is_not_tested_but_told(headrace: Command, airline: Path) -> None:
    change(airline, "root: bookings", "root: bokings")
    ran = headrace("test")
    assert ran.code == 1
    assert " M101 error " in ran.err
