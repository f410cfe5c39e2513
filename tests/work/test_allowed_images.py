"""Which images workspaces may ask for."""

from __future__ import annotations

import pytest

from webterm.errors import ImageRefused
from webterm.settings import Settings
from webterm.settings_runtimes import Docker
from webterm.work.allowed_images import AllowedImages

DIGEST = "sha256:" + "0" * 64


@pytest.mark.parametrize(
    ("pattern", "allowed", "refused"),
    [
        ("python:3.12", ["python:3.12"], ["python:3.13", "python:3x12", "python"]),
        ("python:*", ["python:3.12-slim"], ["python", "x/python:3", "python:5000/x", f"python:3@{DIGEST}"]),
        ("python*", ["python", "python3"], ["python.evil.example/x", "python:3", "python/x"]),
        ("ghcr.io/us/*:1", ["ghcr.io/us/tool:1"], ["ghcr.io/us/a/tool:1", "ghcr.io/us/tool:2", "ghcrxio/us/tool:1"]),
        ("ghcr.io/us/**", ["ghcr.io/us/tool:1", "ghcr.io/us/a/b", f"ghcr.io/us/b@{DIGEST}"], ["ghcr.io/usx/tool"]),
        ("python@sha256:*", [f"python@{DIGEST}"], ["python:3"]),
    ],
)
def test_a_star_stays_within_a_part_of_a_name(pattern: str, allowed: list[str], refused: list[str]) -> None:
    images = AllowedImages(Settings(docker=Docker(image="usual", images=(pattern,))))
    for image in ("", "usual", *allowed):
        images.check(image, ())
        assert images.names(image)
    for image in refused:
        with pytest.raises(ImageRefused, match="is none of those that workspaces may use here: usual, "):
            images.check(image, ("other",))
        images.check(image, ("other", image))
