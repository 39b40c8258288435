"""Which `mysqld` the native stack takes: MariaDB's has the same name."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest

NATIVE = Path(__file__).resolve().parents[2] / "docker" / "native"


@pytest.fixture
def mysql(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(NATIVE))
    return importlib.import_module("nativestack.mysql")


@pytest.mark.parametrize(
    ("says", "taken"),
    [
        ("mysqld  Ver 8.0.36 for Linux on x86_64 (MySQL Community Server - GPL)", True),
        ("/usr/sbin/mysqld  Ver 9.7.4-2 for Linux on x86_64 ((Debian))", True),
        ("mysqld  Ver 10.11.6-MariaDB-0+deb12u1 for debian-linux-gnu on x86_64 (Debian 12)", False),
        ("mysqld  Ver 5.7.44 for Linux on x86_64 (MySQL Community Server (GPL))", False),
        ("something else", False),
    ],
)
def test_a_mysqld_is_taken_where_it_is_mysqls_and_new_enough(
    mysql: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: str, taken: bool
) -> None:
    server = tmp_path / "mysqld"
    server.write_text(f"#!/bin/sh\necho '{says}'\n")
    server.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert mysql.own_server() == (str(server) if taken else None)
