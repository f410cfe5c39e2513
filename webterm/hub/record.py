"""The few facts about a terminal that are kept with its program, so that another server knows it again."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace

from webterm.ids import TerminalId, UserId, WorkspaceId
from webterm.session import MAX_RECORD


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What is kept. ``created`` is in seconds since 1970; ``title`` is a name that somebody gave, else empty.

    ``cwd`` is where the program began, ``replaces`` the ended terminal in whose place it was started. A record that is
    ``shortened`` no longer holds all of ``argv``.
    """

    id: TerminalId
    owner: UserId
    argv: tuple[str, ...]
    created: float
    cols: int
    rows: int
    title: str = ""
    workspace: WorkspaceId | None = None
    cwd: str | None = None
    replaces: TerminalId | None = None
    shortened: bool = False

    def named(self, title: str) -> Record:
        """The same with another name."""
        return replace(self, title=title)

    def dump(self) -> bytes:
        """As text for a keeper."""
        text = json.dumps(asdict(self), ensure_ascii=False).encode("utf-8", "replace")
        if len(text) > MAX_RECORD:  # it is for people to recognise, not to start again
            argv = tuple(argument[:100] for argument in self.argv[:20])
            return replace(self, argv=argv, cwd=None, shortened=True).dump()
        return text

    @classmethod
    def load(cls, text: bytes) -> Record:
        """From the text of `dump`. Raises `ValueError` for anything else."""
        try:
            fields = json.loads(text)
            found = cls(**{**fields, "argv": tuple(fields["argv"])})
        except (TypeError, KeyError) as error:
            raise ValueError("not the record of a terminal") from error
        texts = (found.id, found.owner, found.title, found.workspace or "", found.cwd or "", found.replaces or "")
        numbers = (found.created, found.cols, found.rows)
        known = all(isinstance(one, str) for one in (*texts, *found.argv))
        if not known or not all(isinstance(one, int | float) for one in numbers):
            raise ValueError("the record of a terminal holds something else")
        return found
