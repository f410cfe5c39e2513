"""The benchmark at tiny sizes: that it runs, and judges figures rightly. No figure is judged here."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bench import bulk, containers, latency, memory, previews, shells
from bench.__main__ import document, machine
from bench.figures import Row, at_least, at_most, bounded, compare, percentile, table
from bench.programs import SHELL, Programs
from bench.servers import Terminado, Webterm
from tests.engine import RealEngine


@pytest.fixture(scope="module")
def programs() -> Iterator[Programs]:
    made = Programs()
    yield made
    made.close()


@pytest.fixture(scope="module")
def webterm() -> Iterator[Webterm]:
    with Webterm() as server:
        yield server


@pytest.fixture(scope="module")
def terminado() -> Iterator[Terminado]:
    with Terminado(list(SHELL)) as server:
        yield server


def names(rows: Iterator[Row]) -> str:
    return "\n".join(row.what for row in rows)


def test_bulk_output(webterm: Webterm, terminado: Terminado, programs: Programs) -> None:
    found = names(bulk.measure(webterm, terminado, programs, rounds=1, copies=1))
    assert "bulk output, json, coloured" in found
    assert "CPU for 100 MB, binary, plain" in found


def test_echoes(webterm: Webterm, terminado: Terminado, programs: Programs) -> None:
    assert "echo of one key, json, p99" in names(latency.measure_idle(webterm, terminado, programs, rounds=1, keys=4))


def test_echoes_beside_a_flood(webterm: Webterm, terminado: Terminado, programs: Programs) -> None:
    found = names(latency.measure_flooded(webterm, terminado, programs, rounds=1, keys=3))
    assert "echo beside a flood, another socket, p50" in found


def test_shells(webterm: Webterm, terminado: Terminado, programs: Programs) -> None:
    assert "Ctrl-C under yes" in names(shells.measure_interrupt(webterm, terminado, programs, rounds=1))
    assert "opening a terminal" in names(shells.measure_opening(webterm, programs, rounds=1, times=1))


def test_memory(webterm: Webterm, programs: Programs) -> None:
    assert "never reads" in names(memory.measure(webterm, programs, rounds=1, copies=1))


@pytest.mark.docker
def test_containers(engine: RealEngine) -> None:
    with Webterm(containers.SETTINGS) as server:
        assert "a further terminal" in names(containers.measure_prompts(server, rounds=1, times=1))
        assert "bulk output of a container" in names(containers.measure_bulk(server, rounds=1, copies=1))
        assert "1 cold workspaces at once" in names(containers.measure_many(server, count=1))
        assert "MiB through a preview of a container, up" in names(
            containers.measure_preview(server, times=2, size=1024**2)
        )


def test_previews(webterm: Webterm) -> None:
    with containers.workspaces(webterm, 1) as (workspace,):
        with previews.App(webterm, workspace, previews.free_port()) as app:
            found = names(previews.measure(app, "local runtime", "127.0.0.1", times=2, size=1024**2))
    assert "adds to a request" in found


def test_a_ratio_is_held_against_its_goal_and_from_the_right_side() -> None:
    fast = compare("speed", [30.0, 40.0, 50.0], "other", [10.0, 10.0, 10.0], at_least(4), unit="MB/s")
    slow = compare("speed", [30.0, 39.0, 50.0], "other", [10.0, 10.0, 10.0], at_least(4), unit="MB/s")
    assert (fast.held, slow.held) == (True, False)
    assert bounded("wait", [1.0, 9.0, 2.0], at_most(2), unit="ms").held
    assert not bounded("wait", [1.0, 9.0, 3.0], at_most(2), unit="ms").held


def test_percentiles() -> None:
    assert percentile(range(100), 0.5) == 50
    assert percentile(range(100), 0.99) == 99
    assert percentile([7.0], 0.99) == 7.0


def test_the_page_has_the_machine_and_every_row() -> None:
    rows = [Row(what="one", figure="1"), Row(what="two", figure="2", goal="≥ 3", held=False)]
    page = document(rows)
    assert machine() in page
    assert table(rows) in page
    assert "**no**" in page
