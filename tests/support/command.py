"""`headrace …` within the test's own process: arguments in, exit code and both outputs back."""

from __future__ import annotations

import io
import json
import os
import sys
from dataclasses import dataclass
from typing import Any

import pytest

from sync import settings
from sync.cli import environment, main


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Command:
    """Calls the console script's function. The environment holds none of Headrace's settings but those given."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], **env: str) -> None:
        self._monkeypatch, self._capsys = monkeypatch, capsys
        for name in [each for each in os.environ if each.startswith("HEADRACE_")]:
            monkeypatch.delenv(name)
        monkeypatch.delenv("COLUMNS", raising=False)
        monkeypatch.setattr(environment, "_from_file", set())
        monkeypatch.setattr(settings, "settings", settings.Settings)  # read anew each time
        monkeypatch.setattr(sys, "warnoptions", ["error"])  # as pytest has it: nobody may silence them
        for name, value in env.items():
            monkeypatch.setenv(name, value)

    def __call__(self, *arguments: str, stdin: str = "", **env: str) -> Ran:
        self._monkeypatch.setattr(sys, "argv", ["headrace", *arguments])
        self._monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode()), encoding="utf-8"))
        for name, value in env.items():
            self._monkeypatch.setenv(name, value)
        self._capsys.readouterr()
        try:
            main.main()
        except SystemExit as end:
            code = end.code
        else:
            raise AssertionError("main() returned instead of ending the process")
        captured = self._capsys.readouterr()
        return Ran(code if isinstance(code, int) else 0, captured.out, captured.err)
