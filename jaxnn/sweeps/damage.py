"""`salvage`: a damaged store rebuilt from every row of it that fits its checksum.

SQLite reaches rows through a header, a schema and inner pages, and where one of those is damaged
nothing behind it is readable. Here the pages that hold rows are read each for itself, and nothing
is believed but checksums; so a flipped byte costs the rows of one page, and most often one row.
Reference: https://sqlite.org/fileformat2.html, sections 1.6 (pages), 2.1 (records), 4 (the log).
"""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import shutil
import struct
from collections.abc import Iterator, Mapping
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

from jaxnn.errors import bad_value
from jaxnn.sweeps import filesystem
from jaxnn.sweeps.chunks import checksum
from jaxnn.sweeps.database import LOGS, PAGE, Row, StoreError, beside, connect, lock, remove, unlock
from jaxnn.sweeps.store import Journal, Store

__all__ = ["Salvage", "salvage"]

INDEX, INDEX_LEAF, TABLE_LEAF = b"\x02", b"\x0a", b"\x0d"
"""What the first byte of a page says."""


class Salvage(NamedTuple):
    """What came of a damaged store."""

    kept: list[str]  # the chunks in the new one, in the order of their commit
    lost: list[str]  # names that were still readable somewhere, sorted; there may have been more
    damaged: Path  # where the old file is


def salvage(path: str | PathLike[str], manifest: Mapping[str, Any] | None = None) -> Salvage:
    """Put a rebuilt store into the place of a damaged one, and keep that beside it as .damaged.

    manifest: for where no copy of the store's own is readable. What is lost can be computed anew.
    Raises ValueError where there is no file, StoreError where there is no manifest or another
    process writes the store. Whenever it is stopped, `path` is the old store or the new one, and
    nothing of the old one is gone.
    """
    path = Path(path).resolve()
    if not path.is_file():
        raise bad_value("salvage", "path", "an existing store", repr(str(path)))
    held, new = lock(path), beside(path, ".rebuilt")
    try:
        if beside(path, "-journal").exists():
            # A commit that was cut short must be undone before the pages agree with each other.
            with contextlib.suppress(Exception):
                connect(path, "rw").close()
        pages = _Pages(path)
        manifest = next(pages.manifests(), manifest)
        if manifest is None:
            advice = "Give the manifest, by repeating the sweep's arguments."
            raise StoreError(f"{path}: no copy of the manifest is readable. {advice}")
        remove(new)
        with Store.create(new, manifest, journal=pages.journal) as store:
            store.insert(pages.rows())
            kept = store.names()
        lost = sorted(pages.names - set(kept))
        return Salvage(kept, lost, _swap(path, new))
    finally:
        remove(new)
        unlock(path, held)


def _swap(path: Path, new: Path) -> Path:
    number, damaged = 1, beside(path, ".damaged")
    while damaged.exists():
        number += 1
        damaged = beside(path, f".damaged{number}")
    for suffix in (*LOGS, ""):
        if beside(path, suffix).exists():
            try:
                os.link(beside(path, suffix), beside(damaged, suffix))
            except OSError:  # a file system without links
                shutil.copy2(beside(path, suffix), beside(damaged, suffix))
    filesystem.sync_folder(path.parent)
    remove(path, LOGS)
    os.replace(new, path)
    filesystem.sync_folder(path.parent)
    return damaged


class _Pages:
    """The pages of a file, those in its log before those in itself; `names` fills as it is read."""

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            size = path.stat().st_size
            self.file = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if size else b""
        log = _logged(beside(path, "-wal"))
        most = len(self.file) // PAGE + len(log)  # a damaged number of a page may be any
        self.log = {number: page for number, page in log.items() if number <= most}
        self.count = max(len(self.file) // PAGE, *self.log, 0)
        self.names = set[str]()

    def page(self, number: int) -> bytes:
        """A page, the first of which is 1; none of its bytes where there is none."""
        return self.log.get(number) or self.file[(number - 1) * PAGE : number * PAGE]

    @property
    def journal(self) -> Journal | None:
        """What the header says, where it can be believed."""
        journals: dict[bytes, Journal] = {b"\1\1": "rollback", b"\2\2": "wal"}
        return journals.get(self.file[18:20])

    def rows(self) -> Iterator[Row]:
        """The chunks that fit their checksums; the names of all others go to `names` as well."""
        for page in range(2, self.count + 1):
            for number, values in self._records(page):
                match values:
                    case [_, bytes() as name, bytes() as digest, seconds, at, bytes() as data]:
                        self._note(name)
                        if checksum(name, data) == digest:
                            yield Row(number, name, digest, _real(seconds), _real(at), data)
                    case [bytes() as name, int()]:  # of the index
                        self._note(name)

    def manifests(self) -> Iterator[dict[str, Any]]:
        """The copies that fit their checksums."""
        for page in range(2, self.count + 1):
            for _, values in self._records(page):
                match values:
                    case [_, bytes() as digest, bytes() as data] if checksum(b"", data) == digest:
                        yield json.loads(data)

    def _note(self, name: bytes) -> None:
        with contextlib.suppress(UnicodeDecodeError):
            self.names.add(name.decode())

    def _records(self, number: int) -> Iterator[tuple[int | None, list[Any]]]:
        """Of a page of rows or of the index, what is readable: ids and values."""
        page = self.page(number)
        if page[:1] not in (INDEX, INDEX_LEAF, TABLE_LEAF):
            return
        first = 12 if page[:1] == INDEX else 8
        for place in range(first, first + 2 * int.from_bytes(page[3:5], "big"), 2):
            try:
                record = self._record(page, int.from_bytes(page[place : place + 2], "big"))
            except (IndexError, KeyError, ValueError, struct.error):
                continue  # damaged
            yield record

    def _record(self, page: bytes, at: int) -> tuple[int | None, list[Any]]:
        size, at = _varint(page, at + (4 if page[:1] == INDEX else 0))
        if page[:1] != TABLE_LEAF:
            return None, _values(self._payload(page, at, size, (PAGE - 12) * 64 // 255 - 23))
        number, at = _varint(page, at)
        number -= number >> 63 << 64  # it has a sign
        return number, _values(self._payload(page, at, size, PAGE - 35))

    def _payload(self, page: bytes, at: int, size: int, most: int) -> bytes:
        """A record's bytes; of more than `most` the page holds the first, a chain the others."""
        if size <= most:
            return page[at : at + size]
        if size > self.count * PAGE:
            raise ValueError
        least = (PAGE - 12) * 32 // 255 - 23
        local = least + (size - least) % (PAGE - 4)
        end = at + (local if local <= most else least)
        parts, rest = [page[at:end]], size - (end - at)
        while rest > 0:
            (number,) = struct.unpack_from(">I", page, end)
            page, end = self.page(number), 0
            parts.append(page[4 : 4 + rest])
            rest -= PAGE - 4
        return b"".join(parts)


def _logged(path: Path) -> dict[int, bytes]:
    """The pages of the commits in a log, the last of each; none without a log."""
    log = path.read_bytes() if path.exists() else b""
    pages, commit = dict[int, bytes](), dict[int, bytes]()
    for start in range(32, len(log) - PAGE - 23, PAGE + 24):
        number, end = struct.unpack_from(">II", log, start)
        if log[start + 8 : start + 16] != log[16:24]:
            continue  # left by an earlier round of the log
        commit[number] = log[start + 24 : start + 24 + PAGE]
        if end:
            pages |= commit
            commit = {}
    return pages


def _values(payload: bytes) -> list[Any]:
    end, at = _varint(payload, 0)
    kinds = list[int]()
    while at < end:
        kind, at = _varint(payload, at)
        kinds.append(kind)
    values = list[Any]()
    for kind in kinds:
        size = (kind - 12) // 2 if kind >= 12 else _SIZES[kind]
        part = payload[at : at + size]
        if len(part) < size:
            raise ValueError
        values.append(_value(kind, part))
        at += size
    return values


_SIZES = {0: 0, 1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8, 7: 8, 8: 0, 9: 0}


def _value(kind: int, part: bytes) -> Any:
    if kind >= 12:
        return part
    if kind == 7:
        return struct.unpack(">d", part)[0]
    return {0: None, 8: 0, 9: 1}.get(kind, int.from_bytes(part, "big", signed=True))


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A number of one to nine bytes, and where it ends."""
    value = 0
    for place in range(at, at + 8):
        value = value << 7 | data[place] & 0x7F
        if data[place] < 0x80:
            return value, place + 1
    return value << 8 | data[at + 8], at + 9


def _real(value: Any) -> float:
    # Neither is under the checksum, and SQLite takes NaN for nothing.
    return value if isinstance(value, int | float) and value == value else 0.0
