"""Containers are shared by the tests of a module."""

from __future__ import annotations

from tests.contract.contained import contained

__all__ = ["contained"]
