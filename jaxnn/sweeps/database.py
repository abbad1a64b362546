"""SQLite as a store uses it: its tables, connections that lose nothing, errors in words."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from jaxnn.sweeps import filesystem

__all__ = [
    "APPLICATION",
    "LOGS",
    "MANIFESTS",
    "PAGE",
    "SCHEMA",
    "VERSION",
    "DamagedError",
    "Row",
    "StoreError",
    "beside",
    "connect",
    "disconnect",
    "explained",
    "lock",
    "remove",
    "unlock",
]

APPLICATION = int.from_bytes(b"jxnn", "big")
VERSION = 1
PAGE = 4096
"""Bytes of a page, SQLite's unit."""

LOGS = ("-wal", "-shm", "-journal")
"""What SQLite keeps beside a file, and would apply to any that takes its place."""

MANIFESTS = ("manifest", "manifest_copy")  # each on a page of its own

# All is blobs, which come back as they are whatever is damaged; the large one stands last, so that
# the others are read without it.
SCHEMA = (
    f"PRAGMA application_id = {APPLICATION}",
    f"PRAGMA user_version = {VERSION}",
    "CREATE TABLE chunks (id INTEGER PRIMARY KEY, name BLOB NOT NULL UNIQUE,"
    " checksum BLOB NOT NULL, seconds REAL NOT NULL, committed_at REAL NOT NULL,"
    " data BLOB NOT NULL)",
    *(
        f"CREATE TABLE {table} (id INTEGER PRIMARY KEY, checksum BLOB NOT NULL, data BLOB NOT NULL)"
        for table in MANIFESTS
    ),
)

PATIENCE = 60.0
"""Seconds to wait while other processes commit or read."""

# "extra" is "full", and also waits for the folder where a rollback journal ends a commit;
# fullfsync makes macOS wait for the disk. What is deleted is overwritten, so that `salvage` does
# not bring it back. A schema that was tampered with runs no functions.
_PRAGMAS = (
    "synchronous = EXTRA",
    "fullfsync = ON",
    "checkpoint_fullfsync = ON",
    "secure_delete = ON",
    "cell_size_check = ON",
    "trusted_schema = OFF",
)


class Row(NamedTuple):
    """A row of the table of chunks."""

    id: int | None  # grows with each commit
    name: bytes
    checksum: bytes
    seconds: float
    committed_at: float
    data: bytes


class StoreError(RuntimeError):
    """The store cannot be read or written now; what was committed is kept."""


class DamagedError(StoreError):
    """Bytes of the file are not those that were written; `chunk` is whose, where that is known."""

    def __init__(self, message: str, chunk: str | None = None) -> None:
        super().__init__(message)
        self.chunk = chunk


def beside(path: Path, suffix: str) -> Path:
    """The file that goes with a store, such as its "-wal"."""
    return path.with_name(path.name + suffix)


def remove(path: Path, suffixes: tuple[str, ...] = ("", *LOGS)) -> None:
    """Delete a file and what SQLite keeps beside it; what is not there is deleted already."""
    for suffix in suffixes:
        beside(path, suffix).unlink(missing_ok=True)


def lock(path: Path) -> int | None:
    """The right to write a store, for `unlock`; None where there are no locks."""
    try:
        return filesystem.acquire(beside(path, ".lock"))
    except BlockingIOError as error:
        advice = "Wait for it or stop it; reading needs no turn."
        raise StoreError(f"{path}: another process writes it ({error}). {advice}") from None
    except OSError as error:
        raise StoreError(f"{path}: nothing can be written beside it ({error}).") from error


def unlock(path: Path, held: int | None) -> None:
    """Give back what `lock` gave."""
    filesystem.release(beside(path, ".lock"), held)


def connect(path: Path, mode: Literal["ro", "rw", "rwc"]) -> sqlite3.Connection:
    """Open for reading, for writing, or for making a file.

    Reading writes nothing, but for this: a commit that was cut short is undone or ended first. A
    folder where nothing may be written does for what was closed in order.
    """
    if mode != "ro":
        return _attempt(path, f"mode={mode}")
    try:
        return _attempt(path, "mode=ro")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY):
            raise
    pending = any(_size(beside(path, suffix)) for suffix in ("-wal", "-journal"))
    connection = _attempt(path, "mode=rw" if pending else "immutable=1")
    connection.execute("PRAGMA query_only = ON")
    return connection


def disconnect(path: Path, connection: sqlite3.Connection) -> None:
    """Close; files that readers made and left empty go away with the last one."""
    connection.close()
    wal = beside(path, "-wal")
    if wal.exists() and not _size(wal):
        with contextlib.suppress(sqlite3.Error):
            _attempt(path, "mode=rw").close()


def _attempt(path: Path, query: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.as_uri()}?{query}",
        uri=True,
        timeout=PATIENCE,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        connection.text_factory = bytes  # damaged text may be no text
        for pragma in _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except BaseException:
        connection.close()
        raise
    return connection


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


@contextlib.contextmanager
def explained(path: Path, chunk: str | None = None) -> Iterator[None]:
    """Raise DamagedError and StoreError for SQLite's errors."""
    try:
        yield
    except (sqlite3.Error, UnicodeDecodeError) as error:
        raise _in_words(error, path, chunk) from error


def _in_words(
    error: sqlite3.Error | UnicodeDecodeError, path: Path, chunk: str | None
) -> StoreError:
    # The statements are constant: where one is wrong, the schema in the file is. SQLite quotes it,
    # and Python cannot read the quotation where it is no text any more.
    damage = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR)
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_MISUSE) & 0xFF
    if code in damage or isinstance(error, UnicodeDecodeError):
        whose = "the file" if chunk is None else f"chunk {chunk!r}"
        advice = "`jaxnn sweep doctor` rebuilds what is readable."
        return DamagedError(f"{path}: {whose} is damaged ({error}). {advice}", chunk)
    reason = {
        sqlite3.SQLITE_FULL: "the disk is full",
        sqlite3.SQLITE_IOERR: f"it cannot be read or written ({error}); is the disk full?",
        sqlite3.SQLITE_BUSY: f"other processes kept it busy for {PATIENCE:.0f} s",
        sqlite3.SQLITE_READONLY: "it may only be read",
        sqlite3.SQLITE_CANTOPEN: "it, or a file beside it, cannot be opened; copy it elsewhere",
    }.get(code, str(error))
    return StoreError(f"{path}: {reason}. What was committed is kept.")
