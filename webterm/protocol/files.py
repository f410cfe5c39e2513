"""The part of a conversation that is about files: requests with numbers, and what is told of watched directories."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any, ClassVar, get_args

from msgspec import UNSET

from webterm.access import Scope
from webterm.errors import LimitReached
from webterm.protocol import file_messages as messages
from webterm.protocol.file_entries import file_entries, file_entry, found_entry, next_page
from webterm.protocol.file_paths import shown, written
from webterm.protocol.frames import encode
from webterm.protocol.message import Message
from webterm.protocol.speaker import Speaker, Talk
from webterm.tasks import Tasks
from webterm.work.files import ANY, Files, Search
from webterm.work.watches import FilesChanged, Watch, Watches

UNDER_WAY = 32
"""Requests of one socket that may be under way at a time."""


class FileSpeaker(Speaker):
    """Answers what one client asks about files, as they are ready, and tells it what changes."""

    handles: ClassVar[tuple[type[Message], ...]] = get_args(messages.FromClientAboutFiles)

    def __init__(self, talk: Talk, files: Files, watches: Watches) -> None:
        self._talk = talk
        self._files = files
        self._watches = watches
        self._tasks = Tasks(f"files for {talk.actor.name}")
        self._under_way = 0
        self._over = False
        self._watched: dict[int, Watch] = {}
        self._news: dict[int, FilesChanged] = {}  # what waits to be told, at most one for each watch
        self._telling = False

    def receive(self, message: Message) -> None:
        """A request. What is wrong with it is told with its number."""
        if isinstance(message, messages.Unwatch):
            self._forget(message.watch)
            return
        if not isinstance(message, messages.FileRequest):
            raise TypeError(message)
        try:
            self._begin(message)
        except Exception as error:
            self._talk.fail(error, request=message.request)

    def leave(self) -> None:
        """See `Speaker.leave`."""
        self._over = True
        self._tasks.cancel()
        for number in list(self._watched):
            self._forget(number)

    async def aclose(self) -> None:
        """See `Speaker.aclose`."""
        await self._tasks.aclose()

    def _begin(self, message: messages.FileRequest) -> None:
        writes = isinstance(message, WRITING)
        self._talk.check(Scope.WORKSPACES_WRITE if writes else Scope.WORKSPACES_READ)
        if self._under_way >= UNDER_WAY:
            raise LimitReached(f"One socket has at most {UNDER_WAY} requests under way.")
        self._under_way += 1
        self._tasks.run(self._answer(message))

    async def _answer(self, message: messages.FileRequest) -> None:
        try:
            answer = await ANSWERS[type(message)](self, message)
            if isinstance(answer, BULKY):
                await self._talk.room()
                self._talk.send(encode(answer))
            else:
                self._talk.say(answer)
        except Exception as error:
            self._talk.fail(error, request=message.request)
        finally:
            self._under_way -= 1

    # What clients ask for.

    async def _list(self, asked: messages.ListFiles) -> Message:
        found = await self._files.listing(
            self._talk.actor,
            asked.workspace,
            written(asked.path, encoded=asked.encoded),
            depth=asked.depth,
            hidden=asked.hidden,
            after=None if asked.after is None else written(asked.after, encoded=True),
            limit=asked.limit,
        )
        return messages.Files(
            request=asked.request, items=file_entries(found.items), next=next_page(found), tag=found.tag
        )

    async def _stat(self, asked: messages.StatFile) -> Message:
        path = written(asked.path, encoded=asked.encoded)
        entry = await self._files.stat(self._talk.actor, asked.workspace, path)
        return messages.File(request=asked.request, entry=file_entry(entry))

    async def _read(self, asked: messages.ReadFile) -> Message:
        path = written(asked.path, encoded=asked.encoded)
        entry, data = await self._files.read(
            self._talk.actor, asked.workspace, path, offset=asked.offset, length=asked.length
        )
        return messages.FileData(request=asked.request, entry=file_entry(entry), offset=asked.offset, data=data)

    async def _write(self, asked: messages.WriteFile) -> Message:
        done = await self._files.write(
            self._talk.actor,
            asked.workspace,
            written(asked.path, encoded=asked.encoded),
            asked.data,
            expected=ANY if asked.expected is UNSET else asked.expected,
            executable=asked.executable,
            parents=asked.parents,
        )
        return messages.File(request=asked.request, entry=file_entry(done.entry))

    async def _make_directory(self, asked: messages.MakeDirectory) -> Message:
        path = written(asked.path, encoded=asked.encoded)
        entry = await self._files.make_directory(self._talk.actor, asked.workspace, path, parents=asked.parents)
        return messages.File(request=asked.request, entry=file_entry(entry))

    async def _relocate(self, asked: messages.MoveFile | messages.CopyFile) -> Message:
        source, target = (written(text, encoded=asked.encoded) for text in (asked.source, asked.target))
        move = self._files.move if isinstance(asked, messages.MoveFile) else self._files.copy
        entry = await move(self._talk.actor, asked.workspace, source, target, overwrite=asked.overwrite)
        return messages.File(request=asked.request, entry=file_entry(entry))

    async def _set_executable(self, asked: messages.SetExecutable) -> Message:
        path = written(asked.path, encoded=asked.encoded)
        entry = await self._files.set_executable(self._talk.actor, asked.workspace, path, asked.executable)
        return messages.File(request=asked.request, entry=file_entry(entry))

    async def _remove(self, asked: messages.RemoveFile) -> Message:
        path = written(asked.path, encoded=asked.encoded)
        await self._files.remove(self._talk.actor, asked.workspace, path, recursive=asked.recursive)
        return messages.Done(request=asked.request)

    async def _search(self, asked: messages.SearchFiles) -> Message:
        found = await self._files.search(
            self._talk.actor,
            asked.workspace,
            Search(
                text=asked.query,
                path=written(asked.path, encoded=asked.encoded),
                content=asked.content,
                case=asked.case,
                hidden=asked.hidden,
                limit=asked.limit,
            ),
        )
        items = [found_entry(match) for match in found.items]
        return messages.Matches(request=asked.request, items=items, complete=found.complete)

    # Watches.

    async def _watch(self, asked: messages.Watch) -> Message:
        path = written(asked.path, encoded=asked.encoded)
        watch = await self._watches.watch(self._talk.actor, asked.workspace, path, self._changed)
        if self._over:
            watch.close()
        else:
            self._watched[watch.id] = watch
        return messages.Watching(request=asked.request, watch=watch.id, entry=file_entry(watch.entry))

    def _changed(self, told: FilesChanged) -> None:
        if told.ended:
            self._watched.pop(told.watch, None)
        if told.watch in self._news:  # which the client has been too slow to take: then the names are not worth much
            self._news[told.watch] = replace(told, changes=(), refresh=True)
            return
        self._news[told.watch] = told
        if not self._telling:
            self._telling = True
            self._tasks.run(self._tell())

    async def _tell(self) -> None:
        try:
            while self._news:
                await self._talk.room()
                told = next(iter(self._news.values()), None)  # none where nobody wants to hear it any more
                if told is not None:
                    del self._news[told.watch]
                    self._talk.send(encode(_shown(told)))
        finally:
            self._telling = False

    def _forget(self, number: int) -> None:
        watch = self._watched.pop(number, None)
        if watch is not None:
            watch.close()
        self._news.pop(number, None)


def _shown(told: FilesChanged) -> messages.FileChanged:
    path, encoded = shown(told.path)
    changes = []
    for change in told.changes:
        name, encoded_name = shown(change.name)
        changes.append(messages.FileChange(name=name, kind=change.kind, encoded=encoded_name))
    return messages.FileChanged(
        workspace=told.workspace,
        watch=told.watch,
        path=path,
        encoded=encoded,
        changes=changes,
        refresh=told.refresh,
        ended=told.ended,
    )


Answering = Callable[[FileSpeaker, Any], Coroutine[Any, Any, Message]]

BULKY = (messages.Files, messages.FileData, messages.Matches)
"""Answers that wait until the client has taken what came before, and leave terminals their turns."""
WRITING = (
    messages.WriteFile,
    messages.MakeDirectory,
    messages.MoveFile,
    messages.CopyFile,
    messages.SetExecutable,
    messages.RemoveFile,
)
"""What changes something. The role in the workspace is looked at by the rules, the scope of the proof here."""
ANSWERS: dict[type[messages.FileRequest], Answering] = {
    messages.ListFiles: FileSpeaker._list,
    messages.StatFile: FileSpeaker._stat,
    messages.ReadFile: FileSpeaker._read,
    messages.WriteFile: FileSpeaker._write,
    messages.MakeDirectory: FileSpeaker._make_directory,
    messages.MoveFile: FileSpeaker._relocate,
    messages.CopyFile: FileSpeaker._relocate,
    messages.SetExecutable: FileSpeaker._set_executable,
    messages.RemoveFile: FileSpeaker._remove,
    messages.SearchFiles: FileSpeaker._search,
    messages.Watch: FileSpeaker._watch,
}
