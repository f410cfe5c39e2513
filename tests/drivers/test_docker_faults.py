"""What people are told of an engine's refusals."""

from __future__ import annotations

import pytest

from webterm.drivers.docker.engine import EngineInfo, EngineRefusal
from webterm.drivers.docker.faults import PortTaken, put_in_words
from webterm.drivers.docker.shape import check_engine
from webterm.errors import DiskFull, Unavailable


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "error while creating mount source path '/srv/webterm/x': mkdir",
            "error while creating mount source path '…'",
        ),
        ("OCI runtime create failed: /proc/self/fd/7: denied", "OCI runtime create failed: …: denied"),
        ("invalid reference python/x:3 and/or 2/3", "invalid reference python/x:3 and/or 2/3"),
    ],
)
def test_paths_of_the_engines_machine_are_not_told(text: str, told: str) -> None:
    assert str(put_in_words(EngineRefusal(500, text), "x")).startswith(f"the container could not be started: {told}")


def test_refusals_that_are_known() -> None:
    assert isinstance(put_in_words(EngineRefusal(500, "write /srv/x: no space left on device"), "x"), DiskFull)
    taken = put_in_words(EngineRefusal(500, "Bind for 192.0.2.1:80 failed: port is already allocated"), "x")
    assert isinstance(taken, PortTaken)
    assert "192.0.2.1" not in str(taken)


@pytest.mark.parametrize(
    ("api", "rootless", "fault"),
    [((1, 40), False, "too old: version 19.03.15; Docker 20.10"), ((), False, "too old"), ((1, 47), True, "rootless")],
)
def test_engines_that_cannot_be_used(api: tuple[int, ...], rootless: bool, fault: str) -> None:
    info = EngineInfo(version="19.03.15", api=api, cpus=1, storage="overlay2", filesystem="extfs", rootless=rootless)
    with pytest.raises(Unavailable, match=fault):
        check_engine(info)
