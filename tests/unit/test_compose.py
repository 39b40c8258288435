"""docker/compose.yaml: what it starts exists, and the servers are set as docker/native/stack sets them."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from typer.main import get_command

from sync.cli.main import app

DOCKER = Path(__file__).resolve().parents[2] / "docker"
sys.path.insert(0, str(DOCKER / "native"))

from nativestack.cache import open_cache  # noqa: E402
from nativestack.layout import DEFAULT_PORTS, Layout  # noqa: E402
from nativestack.lifecycle import component  # noqa: E402

SERVICES: dict[str, Any] = YAML(typ="safe").load((DOCKER / "compose.yaml").read_text())["services"]
# Where a container's world is another one: addresses and places in its own file system.
PLACES = re.compile(r"127\.0\.0\.1|/|\$\{")


@pytest.mark.parametrize("name", [name for name, one in SERVICES.items() if one["image"] == "headrace"])
def test_a_container_of_headrace_runs_a_command_that_there_is(name: str) -> None:
    commands = get_command(app).commands  # type: ignore[attr-defined]
    assert SERVICES[name]["command"][0] in commands


@pytest.mark.parametrize(
    ("name", "prefixes"), [("kafka", ("KAFKA_",)), ("connect", ("CONNECT_", "")), ("weaviate", ("",))]
)
def test_a_server_has_the_settings_of_the_native_stack(name: str, prefixes: tuple[str, ...], tmp_path: Path) -> None:
    native = component(name, Layout("test", tmp_path, ports=dict(DEFAULT_PORTS)), open_cache())
    wanted: dict[str, str] = getattr(native, "environment" if name == "weaviate" else "properties")()
    there = {key: str(value) for key, value in SERVICES[name]["environment"].items()}
    for key, value in wanted.items():
        called = [prefix + key.upper().replace(".", "_") for prefix in prefixes]
        found = next((there[each] for each in called if each in there), None)
        if found is None or not PLACES.search(found + value):
            assert found == value or (name, key) in ELSEWHERE, f"{key} is {value} in the native stack, {found} here"


# Set by the image itself, or by another name.
ELSEWHERE = {
    ("connect", "key.converter"),
    ("connect", "value.converter"),
    ("connect", "plugin.path"),
    ("connect", "rest.advertised.host.name"),
    ("connect", "rest.advertised.port"),
}
