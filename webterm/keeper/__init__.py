"""The keeper: a small process that is the parent of local programs and keeps their terminals over a server restart.

It imports nothing of webterm but itself, never touches a byte of any terminal, and changes rarely.
"""

from __future__ import annotations
