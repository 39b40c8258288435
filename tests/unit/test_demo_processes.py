"""What the demo starts, it stops: whole process groups, in order, also those that do not want to."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sync.demo import processes
from sync.demo.processes import Children, DemoFailed, NativeStack, plain_environment
from sync.errors import SettingsError

STUBBORN = """
import os, signal, subprocess, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
grandchild = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
print(grandchild.pid, flush=True)
signal.pause()
"""


def await_true(found: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + 20
    while not found():
        assert time.monotonic() < end, f"waited 20 s for {what}"
        os.sched_yield()


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


@pytest.fixture
def children(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Children:
    monkeypatch.setattr(processes, "headrace", lambda: [sys.executable, "-c"])
    return Children(tmp_path / "logs", dict(os.environ))


def test_a_stubborn_process_and_its_child_are_gone_after_stop(
    children: Children, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "STOP_PATIENCE", 0.05)
    child = children.start("run", STUBBORN)
    await_true(lambda: child.log.read_text().strip().isdigit(), "the child to say its child's number")
    grandchild = int(child.log.read_text())
    children.stop()
    assert not alive(child.process.pid)
    await_true(lambda: not alive(grandchild), "the grandchild to be gone")


def test_a_process_that_ends_by_itself_is_told_with_the_end_of_its_log(children: Children) -> None:
    child = children.start("run", "import sys; print('no room left'); sys.exit(3)")
    child.process.wait(20)
    with pytest.raises(DemoFailed, match=r"`headrace run` ended with 3:\nno room left") as failed:
        children.check()
    assert str(child.log) in failed.value.advice
    children.stop()


def test_a_command_that_fails_is_told_with_what_it_said(children: Children) -> None:
    with pytest.raises(DemoFailed, match="ended with 2:\nno such mapping"):
        children.call("import sys; print('no such mapping', file=sys.stderr); sys.exit(2)")


def test_one_process_can_be_ended_while_the_others_go_on(children: Children) -> None:
    one = children.start("one", "import signal; signal.pause()")
    other = children.start("other", "import signal; signal.pause()")
    children.end(one)
    assert not alive(one.process.pid)
    assert alive(other.process.pid)
    children.check()
    children.stop()
    assert not alive(other.process.pid)


def test_children_get_what_is_asked_for_and_work_away_from_any_env_file(children: Children) -> None:
    child = children.start("run", "import os; print(os.environ['WORD'], os.getcwd())", more={"WORD": "hello"})
    child.process.wait(20)
    assert child.log.read_text().split() == ["hello", str(child.log.parent)]
    children.stop()


def test_settings_of_a_real_installation_do_not_reach_the_demo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADRACE_WEAVIATE_URL", "https://weaviate.example.com")
    monkeypatch.setenv("HEADRACE_CACHE", "/somewhere")
    monkeypatch.setenv("PATH", "/bin")
    found = plain_environment()
    assert "HEADRACE_WEAVIATE_URL" not in found
    assert (found["HEADRACE_CACHE"], found["PATH"]) == ("/somewhere", "/bin")


def test_without_a_checkout_the_demo_says_so(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="is not there") as refused:
        NativeStack("demo", tmp_path / "stack")
    assert "make demo" in refused.value.advice


def test_a_stack_that_does_not_start_is_an_error_that_says_where_the_logs_are(tmp_path: Path) -> None:
    script = tmp_path / "stack"
    script.write_text("import sys; sys.exit(1)")
    stack = NativeStack("demo", script)
    assert stack.running() == frozenset()
    with pytest.raises(DemoFailed, match="did not start") as failed:
        stack.up(fresh=False, die_with=None)
    assert "logs --name demo" in failed.value.advice


def recording_stack(folder: Path, running: list[str]) -> tuple[NativeStack, Path]:
    """A stack script that says what runs and writes down what it is asked to do."""
    rows = [{"component": name, "pid": 1} for name in running] + [{"component": "mariadb", "pid": None}]
    script, calls = folder / "stack", folder / "calls"
    script.write_text(
        "import sys, pathlib\n"
        f"if sys.argv[1] == 'status': print({json.dumps(json.dumps(rows))})\n"
        f"else: pathlib.Path({str(calls)!r}).open('a').write(' '.join(sys.argv[1:]) + chr(10))\n"
    )
    return NativeStack("demo", script), calls


def test_a_stack_that_nobody_had_started_goes_down_as_a_whole(tmp_path: Path) -> None:
    stack, calls = recording_stack(tmp_path, ["kafka", "weaviate"])
    stack.stop_but(frozenset())
    assert calls.read_text().splitlines() == ["down --name demo"]


def test_of_a_stack_that_ran_in_part_only_what_the_demo_added_is_stopped(tmp_path: Path) -> None:
    stack, calls = recording_stack(tmp_path, ["kafka", "postgres", "weaviate"])
    assert stack.running() == {"kafka", "postgres", "weaviate"}
    stack.stop_but(frozenset({"postgres"}))
    assert calls.read_text().splitlines() == ["stop --name demo kafka", "stop --name demo weaviate"]


def test_a_stack_that_ran_before_is_left_alone(tmp_path: Path) -> None:
    stack, calls = recording_stack(tmp_path, ["kafka", "postgres"])
    stack.stop_but(frozenset({"kafka", "postgres"}))
    assert not calls.exists()
