"""The fault suite: mixed commits while parts are killed and frozen in any combination; then all must be equal.

`make test` runs one short part with a fixed seed, on each database. `make faults` runs as many as it is told, here
three of a minute each on MariaDB (-k suite would choose all that is marked `suite`, too):

    make faults ARGS="-k 'test_suite and mariadb' --fault-seeds 3 --fault-first 1234 --fault-seconds 60 -s"
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.faults.conftest import Kept
from tests.support.cascading import RULES, Cascading
from tests.support.chaos import Chaos
from tests.support.onlooker import Onlooker
from tests.support.pipeline import Pipeline
from tests.support.pipeline_mariadb import MariaDBPipeline
from tests.support.pipeline_mysql import ON_MYSQL

if TYPE_CHECKING:
    from tests.support.stack import Stack

KEPT = 50
SETTLED_WITHIN = 60.0  # seconds after the load ended and everything runs again


@pytest.fixture(scope="module", params=[Pipeline, MariaDBPipeline, ON_MYSQL], ids=lambda each: each.kind)
def kept(request: pytest.FixtureRequest, stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    """The airline on each database in turn, with rules on its foreign keys."""
    kind = request.param
    with closing(Kept(lambda: kind(stack, tmp_path_factory.mktemp(kind.kind)), RULES[kind.kind])) as holder:
        yield holder


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    option = metafunc.config.getoption
    if "seed" in metafunc.fixturenames:
        metafunc.parametrize("seed", range(option("--fault-first"), option("--fault-first") + option("--fault-seeds")))


def test_whatever_is_killed_or_frozen_everything_converges_and_no_reader_sees_a_hole(
    pipeline: Pipeline, seed: int, pytestconfig: pytest.Config
) -> None:
    traffic = Cascading(pipeline.url, seed, rate=60, truncates=True, kept=KEPT)
    traffic.pair_all()
    pipeline.wait()
    chaos = Chaos(pipeline, seed)
    onlooker = Onlooker(pipeline, KEPT, lambda: chaos.killed_lately("weaviate")).start()
    traffic.start()
    try:
        chaos.run(pytestconfig.getoption("--fault-seconds"))
    finally:
        traffic.stop()
    began = time.monotonic()
    try:
        pipeline.wait(SETTLED_WITHIN)
        pipeline.assert_equal()
        settled = time.monotonic() - began
    except AssertionError as exc:
        raise AssertionError(f"{pipeline.kind}, seed {seed}: {exc}\n" + "\n".join(chaos.done)) from exc
    finally:
        onlooker.stop()
    print(
        f"{pipeline.kind}, seed {seed}: {chaos.kills} kills, {chaos.freezes} freezes, {traffic.commits} commits of"
        f" {traffic.changes} rows; {onlooker.looks} looks, {onlooker.pairs} pairs, {len(onlooker.holes)} holes,"
        f" {len(onlooker.halves)} halves, {len(onlooker.older)} older,"
        f" {onlooker.gaps} gaps of Weaviate's own, {len(onlooker.unindexed)} found by id"
        f" alone after its kills {onlooker.unindexed}; equal after {settled:.0f} s"
    )
    assert traffic.commits > 0
    assert onlooker.pairs > 0
    assert not onlooker.holes, "\n".join([*onlooker.holes[:20], *chaos.done])
    assert not onlooker.halves, "\n".join([*onlooker.halves[:5], *chaos.done])
    assert not onlooker.older, "\n".join([*onlooker.older[:20], *chaos.done])
