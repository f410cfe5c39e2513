"""Opening paths so that they never leave a directory."""

from __future__ import annotations

from typing import Literal

Way = Literal["openat2", "walk"]
