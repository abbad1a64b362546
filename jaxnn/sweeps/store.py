"""The store of a sweep: named chunks of arrays and one manifest in a file that loses nothing.

A chunk is a row with a SHA-256 over its name and bytes; `put` returns when it is on the disk, and
putting it again changes nothing. So a sweep that computes what is missing, whatever stopped it,
ends with every chunk exactly once. Nothing here knows of trials, and nothing is decided by a clock.

SQLite keeps the file: with a write-ahead log on local file systems, with a rollback journal on
those of networks, where processes share no memory. Reference: https://sqlite.org/wal.html.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

from numpy.typing import NDArray

from jaxnn.errors import bad_type, bad_value, look_up, shown, unknown_name
from jaxnn.sweeps import filesystem
from jaxnn.sweeps.chunks import checksum, decode, encode
from jaxnn.sweeps.database import (
    APPLICATION,
    MANIFESTS,
    PAGE,
    SCHEMA,
    VERSION,
    DamagedError,
    Row,
    StoreError,
    beside,
    connect,
    disconnect,
    explained,
    lock,
    remove,
    unlock,
)
from jaxnn.sweeps.difference import difference

__all__ = ["Chunk", "DamagedError", "Journal", "Store", "StoreError", "difference"]

MAX_BYTES = 999_000_000
"""Of a chunk: SQLite takes a row of 10⁹ bytes."""

Journal = Literal["wal", "rollback"]
"""How SQLite makes a commit atomic: "wal" is faster, "rollback" is safe on a network."""

_MODES: dict[Any, str] = {"wal": "wal", "rollback": "delete"}


class Chunk(NamedTuple):
    """What a status display shows of a chunk."""

    name: str
    num_bytes: int
    seconds: float  # what it took, as `put` was told
    committed_at: float  # seconds since 1970, by the clock of whoever put it


class Store:
    """Chunks by name, in the order of their commit, and the `manifest`, a dict.

    Made by `Store.create` and `Store.open`; a context manager, and safe to share among threads.
    One process writes at a time, where the file system has locks; any number may read meanwhile.
    Where there are none, several may write: equal chunks are committed once.
    Every method raises DamagedError where bytes of the file are not those that were written, and
    StoreError where it cannot be read or written, on a full disk for example.
    """

    def __init__(self, path: Path, mode: Literal["ro", "rw"]) -> None:
        self.path, self.manifest, self._mutex = path, dict[str, Any](), threading.RLock()
        self._lock = None if mode == "ro" else lock(path)
        try:
            self._connection = connect(path, mode)
        except BaseException:
            unlock(path, self._lock)
            raise

    @classmethod
    def create(
        cls,
        path: str | os.PathLike[str],
        manifest: Mapping[str, Any],
        *,
        journal: Journal | None = None,
    ) -> Store:
        """A new store, open for writing.

        manifest: what JSON can hold. journal: by the kind of file system, by default.
        Raises ValueError where there is such a file already, or no folder for it.
        """
        path, text = Path(path).resolve(), _to_json(manifest)
        chosen = journal or ("rollback" if filesystem.is_network(path) else "wal")
        look_up("Store.create", "journal", chosen, _MODES)
        if not path.parent.is_dir():
            raise bad_value("Store.create", "path", "in an existing folder", repr(str(path)))
        fix = "Store.open opens a store."
        exists = bad_value("Store.create", "path", "a new file", repr(str(path)), fix)
        if path.exists():
            raise exists
        # Made under another name, so that whatever ends this leaves no half of a store.
        held, new = lock(path), beside(path, f".{os.getpid()}")
        try:
            remove(new)
            with explained(path), contextlib.closing(connect(new, "rwc")) as connection:
                connection.execute(f"PRAGMA page_size = {PAGE}")
                for statement in ("BEGIN", *SCHEMA):
                    connection.execute(statement)
                _write_manifest(connection, text)
                connection.execute("COMMIT")
                connection.execute(f"PRAGMA journal_mode = {_MODES[chosen]}")
            filesystem.publish(new, path)
        except FileExistsError:
            raise exists from None
        finally:
            remove(new)
            unlock(path, held)
        return cls.open(path, journal=chosen)

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        *,
        read_only: bool = False,
        journal: Journal | None = None,
    ) -> Store:
        """The store in a file; read_only takes no lock and writes nothing into it.

        journal: as it was, by default, but "rollback" on a network.
        Raises ValueError for what is no store, or one of another version; StoreError where another
        process has it open for writing; DamagedError where the manifest cannot be read.
        """
        path = Path(path).resolve()
        if journal is not None:
            look_up("Store.open", "journal", journal, _MODES)
        if not path.is_file():
            fix = "Store.create makes one."
            raise bad_value("Store.open", "path", "an existing store", repr(str(path)), fix)
        with explained(path):
            try:
                store = cls(path, "ro" if read_only else "rw")
            except sqlite3.DatabaseError as error:
                if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_NOTADB:
                    raise _no_store(path) from error
                raise
        try:
            store._check_format()
            store.manifest = store._read_manifest()
            if not read_only and (journal or filesystem.is_network(path)):
                store._choose(journal or "rollback")
        except BaseException:
            store.close()
            raise
        return store

    @property
    def journal(self) -> Journal:
        """How commits are made atomic."""
        with self._reading() as connection:
            (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
        return "wal" if mode == b"wal" else "rollback"

    def put(self, name: str, arrays: Mapping[str, Any], seconds: float = 0.0) -> None:
        """Commit a chunk; on return it is on the disk. One that is there already stays as it is.

        arrays: arrays of numbers by name, of any shape and of NumPy's or ml_dtypes' dtypes; equal
        ones give equal bytes. seconds: what they took, for displays.
        Raises TypeError for other arrays, ValueError beyond 999 MB.
        """
        self.put_all([(name, arrays, seconds)])

    def put_all(self, chunks: Iterable[tuple[str, Mapping[str, Any], float]]) -> None:
        """Commit chunks together, each as `put` would: one wait for the disk."""
        self.insert([_row(*chunk) for chunk in chunks])

    def insert(self, rows: Iterable[Row]) -> None:
        """Commit rows together, without those whose names are there already."""
        query = "INSERT INTO chunks VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
        with self._transaction() as connection:
            connection.executemany(query, rows)

    def get(self, name: str) -> dict[str, NDArray[Any]]:
        """The arrays of a chunk as they were put, to the bit; ValueError where there is none."""
        key, found = _key("Store.get", name), None
        with self._reading(name) as connection:
            for where in ("", "NOT INDEXED"):  # the index may have lost what the table has
                query = f"SELECT checksum, data FROM chunks {where} WHERE name = ?"
                found = found or connection.execute(query, (key,)).fetchone()
        if found is None:
            raise unknown_name("Store.get", "name", name, self.names())
        if not _intact(key, *found):
            advice = "Discard it and put it anew."
            text = f"{self.path}: chunk {name!r} is damaged (it differs from its checksum)"
            raise DamagedError(f"{text}. {advice}", name)
        return decode(found[1])

    def __contains__(self, name: str) -> bool:
        with self._reading() as connection:
            query = "SELECT 1 FROM chunks WHERE name = ?"
            return connection.execute(query, (_key("Store", name),)).fetchone() is not None

    def names(self, prefix: str = "") -> list[str]:
        """The chunks whose names begin so, in the order of their commit."""
        key = prefix.encode()
        query = "SELECT name FROM chunks NOT INDEXED WHERE substr(name, 1, ?) = ? ORDER BY id"
        with self._reading() as connection:
            return [_name(row[0]) for row in connection.execute(query, (len(key), key))]

    def info(self) -> list[Chunk]:
        """What can be said of each chunk without reading it, in the order of commit."""
        query = (
            "SELECT name, length(data), coalesce(CAST(seconds AS REAL), 0.0),"
            " coalesce(CAST(committed_at AS REAL), 0.0) FROM chunks NOT INDEXED ORDER BY id"
        )
        with self._reading() as connection:
            return [Chunk(_name(row[0]), *row[1:]) for row in connection.execute(query)]

    def discard(self, names: Iterable[str]) -> None:
        """Forget chunks, all at once; a name that is not there is forgotten already."""
        keys = [(_key("Store.discard", name),) for name in names]
        with self._transaction() as connection:
            connection.executemany("DELETE FROM chunks WHERE name = ?", keys)

    def compact(self) -> None:
        """Give back what discarded chunks took, where that is most of the file."""
        with self._reading() as connection:
            (free,) = connection.execute("PRAGMA freelist_count").fetchone()
            (pages,) = connection.execute("PRAGMA page_count").fetchone()
            if 2 * free > pages:
                connection.execute("VACUUM")

    def replace_manifest(self, manifest: Mapping[str, Any]) -> None:
        """Put another manifest into the place of this one, atomically."""
        text = _to_json(manifest)
        with self._transaction() as connection:
            _write_manifest(connection, text)
        self.manifest = json.loads(text)

    def check(self) -> list[str]:
        """The names of damaged chunks: all rows are read, and all names that the index knows.

        What is wrong with the file itself is told by `faults`.
        """
        names = dict[str, None]()
        for where in ("NOT INDEXED", "INDEXED BY sqlite_autoindex_chunks_1"):
            with contextlib.suppress(DamagedError), self._reading() as connection:
                for row in connection.execute(f"SELECT name FROM chunks {where}"):
                    names[_name(row[0])] = None
        return [name for name in names if not self._is_readable(name)]

    def faults(self) -> list[str]:
        """What is wrong with the file, in sentences: by SQLite's own check, and the manifest's."""
        found = []
        try:
            with self._reading() as connection:
                rows = connection.execute("PRAGMA integrity_check").fetchall()
            found += [f"SQLite: {_name(text)}" for (text,) in rows if text != b"ok"]
        except DamagedError as error:
            found.append(str(error))
        for table in MANIFESTS:
            if self._manifest_in(table) is None:
                found.append(f"The copy of the manifest in table {table} is damaged.")
        return found

    def close(self) -> None:
        """Give file and lock back; closing twice is closing once."""
        with self._mutex:
            disconnect(self.path, self._connection)
            unlock(self.path, self._lock)
            self._lock = None

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @contextlib.contextmanager
    def _reading(self, chunk: str | None = None) -> Iterator[sqlite3.Connection]:
        with self._mutex, explained(self.path, chunk):
            yield self._connection

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._reading() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    def _choose(self, journal: Journal) -> None:
        with self._reading() as connection:
            connection.execute(f"PRAGMA journal_mode = {_MODES[journal]}")

    def _check_format(self) -> None:
        with self._reading() as connection:
            (application,) = connection.execute("PRAGMA application_id").fetchone()
            (version,) = connection.execute("PRAGMA user_version").fetchone()
        if application != APPLICATION:
            raise _no_store(self.path)
        if version != VERSION:
            constraint = f"a store of version {VERSION}, which this jaxnn reads and writes"
            got = f"version {version} in {str(self.path)!r}"
            raise bad_value("Store.open", "path", constraint, got, "Use the jaxnn that wrote it.")

    def _read_manifest(self) -> dict[str, Any]:
        for table in MANIFESTS:
            found = self._manifest_in(table)
            if found is not None:
                return found
        advice = "`jaxnn sweep doctor` rebuilds what is readable."
        raise DamagedError(f"{self.path}: both copies of the manifest are damaged. {advice}")

    def _manifest_in(self, table: str) -> dict[str, Any] | None:
        with contextlib.suppress(DamagedError), self._reading() as connection:
            row = connection.execute(f"SELECT checksum, data FROM {table}").fetchone()
            if row is not None and _intact(b"", *row):
                return json.loads(row[1])
        return None

    def _is_readable(self, name: str) -> bool:
        try:
            self.get(name)
        except (DamagedError, ValueError):
            return False
        return True


def _row(name: str, arrays: Mapping[str, Any], seconds: float) -> Row:
    key, data = _key("Store.put", name), encode(arrays)
    if len(data) > MAX_BYTES:
        fix = "Put them into several chunks."
        raise bad_value("Store.put", "arrays", f"of {MAX_BYTES} bytes or less", len(data), fix)
    return Row(None, key, checksum(key, data), float(seconds), time.time(), data)


def _no_store(path: Path) -> ValueError:
    fix = "If it was one, `jaxnn sweep doctor` rebuilds what is readable."
    return bad_value("Store.open", "path", "a store of a sweep", repr(str(path)), fix)


def _write_manifest(connection: sqlite3.Connection, text: bytes) -> None:
    for table in MANIFESTS:
        query = f"INSERT OR REPLACE INTO {table} VALUES (1, ?, ?)"
        connection.execute(query, (checksum(b"", text), text))


def _key(where: str, name: str) -> bytes:
    if not isinstance(name, str) or not name or "\0" in name:
        raise bad_value(where, "name", "a string with something in it", shown(name))
    return name.encode(errors="surrogateescape")


def _name(key: Any) -> str:
    # What is no blob any more has no name either; none is equal to this text.
    return key.decode(errors="surrogateescape") if isinstance(key, bytes) else f"{key!r}\0"


def _intact(key: bytes, expected: Any, data: Any) -> bool:
    return isinstance(data, bytes) and checksum(key, data) == expected


def _to_json(manifest: Mapping[str, Any]) -> bytes:
    try:
        return json.dumps(dict(manifest)).encode()
    except (TypeError, ValueError) as error:
        raise bad_type("Store", "manifest", "what JSON can hold", str(error)) from None
