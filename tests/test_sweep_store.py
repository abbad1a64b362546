"""The store of a sweep: to the bit what was put, whatever is done to its process, disk and file."""

from __future__ import annotations

import errno
import math
import os
import random
import re
import shutil
import signal
import sqlite3
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_np

from jaxnn.errors import BadValue
from jaxnn.sweeps import chunks, damage, database, filesystem
from jaxnn.sweeps import store as store_module
from jaxnn.sweeps.damage import salvage
from jaxnn.sweeps.store import DamagedError, Journal, Store, StoreError, difference

MANIFEST = {"space": {"x": {"uniform": [0.0, 1.0]}}, "seed": 0}
JOURNALS: list[Journal] = ["wal", "rollback"]

# A process that has the store and not the sweeps around it, and so starts without JAX.
CHILD = """
import os, sys, types
import numpy as np
import jaxnn
package = types.ModuleType("jaxnn.sweeps")
package.__path__ = [jaxnn.__path__[0] + "/sweeps"]
sys.modules["jaxnn.sweeps"] = package
from jaxnn.sweeps import filesystem
from jaxnn.sweeps.store import Store, StoreError

def arrays(number):
    values = np.random.default_rng(number).normal(size=20 + 150 * (number % 7))
    return {"loss": values.astype(np.float32), "step": np.int64(number)}

path = sys.argv[1]
"""


def arrays(number: int) -> dict[str, Any]:
    values = np.random.default_rng(number).normal(size=20 + 150 * (number % 7))
    return {"loss": values.astype(np.float32), "step": np.int64(number)}


def name(number: int) -> str:
    return f"block/{number:05}"


def child(code: str, *arguments: object, **options: Any) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", CHILD + code, *map(str, arguments)]
    return subprocess.Popen(command, text=True, **options)


def output(code: str, *arguments: object) -> str:
    with child(code, *arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        said, errors = process.communicate()
    assert process.returncode == 0, errors
    return said


def equal(one: dict[str, Any], two: dict[str, Any]) -> bool:
    def bits(given: dict[str, Any]) -> list[Any]:
        found = [(k, np.asarray(x)) for k, x in given.items()]
        return [(k, x.dtype, x.shape, x.tobytes()) for k, x in found]

    return bits(one) == bits(two)


def filled(path: Path, count: int, journal: Journal | None = None) -> Path:
    with Store.create(path, MANIFEST, journal=journal) as store:
        for number in range(count):
            store.put(name(number), arrays(number), seconds=0.25)
    return path


def test_a_store_gives_back_what_was_put(tmp_path: Path) -> None:
    path = tmp_path / "one two?#%.sweep"
    with Store.create(path, MANIFEST) as store:
        assert store.manifest == MANIFEST
        store.put("b", arrays(1), seconds=0.5)
        store.put("a", arrays(2))
        store.put("block/ü", {})
        assert equal(store.get("b"), arrays(1))
        assert store.names() == ["b", "a", "block/ü"]
    with Store.open(path) as store:
        assert store.names("b") == ["b", "block/ü"]
        assert ("a" in store, "c" in store) == (True, False)
        assert equal(store.get("a"), arrays(2))
        assert store.get("block/ü") == {}
        first, second, third = store.info()
        assert (first.name, first.seconds, second.seconds) == ("b", 0.5, 0.0)
        assert (first.num_bytes, third.num_bytes) == (len(chunks.encode(arrays(1))), 10)
        store.discard(["b", "never there"])
        assert store.names() == ["a", "block/ü"]
        store.put("b", arrays(3))
        assert store.names() == ["a", "block/ü", "b"]
        assert (store.check(), store.faults()) == ([], [])
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_putting_again_changes_nothing(tmp_path: Path) -> None:
    with Store.open(filled(tmp_path / "s", 2)) as store:
        before = store.info()
        store.put(name(0), arrays(1), seconds=9.0)
        assert store.info() == before
        assert equal(store.get(name(0)), arrays(0))


def test_the_manifest_is_replaced_as_a_whole(tmp_path: Path) -> None:
    with Store.open(filled(tmp_path / "s", 1)) as store:
        store.replace_manifest({"seed": (1, 2)})
        assert store.manifest == {"seed": [1, 2]}
        with pytest.raises(TypeError) as error:
            store.replace_manifest({"seed": 1j})
        text = "Store: `manifest` must be what JSON can hold; got Object of type complex is not "
        assert str(error.value) == text + "JSON serializable."
        with Store.open(store.path, read_only=True) as reader:
            assert reader.manifest == store.manifest == {"seed": [1, 2]}


NUMBERS = st.one_of(
    st_np.boolean_dtypes(),
    st_np.integer_dtypes(endianness="="),
    st_np.unsigned_integer_dtypes(endianness="="),
    st_np.floating_dtypes(endianness="="),
    st_np.complex_number_dtypes(endianness="="),
)


@given(st_np.arrays(NUMBERS, st_np.array_shapes(min_dims=0, min_side=0)), st.booleans())
def test_arrays_come_back_to_the_bit(array: np.ndarray, turned: bool) -> None:
    array = array.T[..., ::2] if turned and array.ndim else array
    data = chunks.encode({"a": array, "": array.T})
    assert data == chunks.encode({"a": array.copy(), "": array.T.copy()})
    found = chunks.decode(data)
    assert equal(found, {"a": array, "": array.T})
    assert found["a"].flags.writeable


@pytest.mark.parametrize("dtype", [ml_dtypes.bfloat16, ml_dtypes.float8_e5m2, ml_dtypes.int4])
def test_dtypes_of_few_bits_come_back(dtype: Any) -> None:
    given = {"a": np.arange(-8, 8).astype(dtype).reshape(2, 4, 2), "b": np.asarray(1, dtype)}
    assert equal(chunks.decode(chunks.encode(given)), given)


def test_the_layout_is_fixed() -> None:
    values = np.array([1.5, -2.0])
    header = b'{"a":["<f8",[2]]}'
    expected = b"\x11\0\0\0\0\0\0\0" + header + values.tobytes()
    assert chunks.encode({"a": values}) == expected == chunks.encode({"a": values.astype(">f8")})
    assert chunks.decode(expected)["a"].dtype == np.float64


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"a": [None]}, "Store.put: `a` must be an array of numbers; got one of object."),
        ({"a": "text"}, "Store.put: `a` must be an array of numbers; got one of <U4."),
        ({3: 1.0}, "Store.put: `arrays` must be named by strings; got 3."),
    ],
)
def test_only_numbers_are_stored(given: Any, text: str, tmp_path: Path) -> None:
    with Store.create(tmp_path / "s", {}) as store:
        with pytest.raises(TypeError) as error:
            store.put("a", given)
        assert str(error.value) == text
        assert store.names() == []


@pytest.mark.parametrize("bad", ["", "a\0b", 3])
def test_names_are_strings(bad: Any, tmp_path: Path) -> None:
    with Store.create(tmp_path / "s", {}) as store:
        text = f"Store.put: `name` must be a string with something in it; got {bad!r}."
        with pytest.raises(ValueError) as error:  # noqa: PT011 its text follows
            store.put(bad, {})
        assert str(error.value) == text


def test_what_is_too_large_for_a_row_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "MAX_BYTES", 1000)
    with Store.create(tmp_path / "s", {}) as store:
        with pytest.raises(ValueError) as error:  # noqa: PT011 its text follows
            store.put("a", {"x": np.zeros(200)})
        text = "Store.put: `arrays` must be of 1000 bytes or less; got 1627. "
        assert str(error.value) == text + "Put them into several chunks."


def test_unknown_chunks_and_closed_stores(tmp_path: Path) -> None:
    store = Store.open(filled(tmp_path / "s", 1))
    with pytest.raises(ValueError) as error:  # noqa: PT011 its text follows
        store.get("block/0000")
    text = "Store.get: `name` must be one of block/00000; got 'block/0000'."
    assert str(error.value) == f"{text} Did you mean 'block/00000'?"
    store.close()
    store.close()
    with pytest.raises(StoreError, match="Cannot operate on a closed database"):
        store.names()


def refused(act: Callable[[], Any]) -> str:
    with pytest.raises(ValueError) as error:  # noqa: PT011 its text is what is compared
        act()
    return str(error.value)


def test_what_is_no_store_is_refused(tmp_path: Path) -> None:
    path = filled(tmp_path / "s", 1)
    start = f"Store.create: `path` must be a new file; got {str(path)!r}. Store.open opens a store."
    assert refused(lambda: Store.create(path, {})) == start
    nowhere = tmp_path / "no" / "s"
    text = f"Store.create: `path` must be in an existing folder; got {str(nowhere)!r}."
    assert refused(lambda: Store.create(nowhere, {})) == text
    text = f"Store.open: `path` must be an existing store; got {str(nowhere)!r}. "
    assert refused(lambda: Store.open(nowhere)) == text + "Store.create makes one."
    text = "`journal` must be one of rollback, wal; got 'none'."
    bad: Any = "none"
    assert refused(lambda: Store.create(tmp_path / "t", {}, journal=bad)) == "Store.create: " + text
    assert refused(lambda: Store.open(path, journal=bad)) == "Store.open: " + text
    for number, content in enumerate(["a thesis" * 1000, "", "SQLite"]):
        other = tmp_path / f"other{number}"
        other.write_text(content)
        if content == "SQLite":
            other.unlink()
            foreign = sqlite3.connect(other)
            foreign.execute("CREATE TABLE chunks (id)")
            foreign.close()
        text = f"Store.open: `path` must be a store of a sweep; got {str(other)!r}. "
        text += "If it was one, `jaxnn sweep doctor` rebuilds what is readable."
        before = other.read_bytes()
        for read_only in (True, False):
            assert refused(lambda read=read_only, p=other: Store.open(p, read_only=read)) == text
        assert refused(lambda p=other: Store.create(p, {})).startswith("Store.create: `path` must")
        with pytest.raises(StoreError, match="no copy of the manifest is readable"):
            salvage(other)
        assert other.read_bytes() == before


@pytest.mark.parametrize("links", [True, False])
def test_of_two_that_create_one_store_the_second_is_refused(
    links: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, publish, link = tmp_path / "s", filesystem.publish, os.link

    def late(new: Path, path: Path) -> None:
        path.write_text("the first")
        publish(new, path)

    def linked(new: Path, path: Path) -> None:
        if not links:
            raise OSError(errno.EPERM, "no links here")
        link(new, path)

    monkeypatch.setattr(filesystem.os, "link", linked)
    with Store.create(path, MANIFEST) as store:
        assert store.manifest == MANIFEST
    path.unlink()
    monkeypatch.setattr(filesystem, "publish", late)
    assert refused(lambda: Store.create(path, {})).startswith("Store.create: `path` must be a new")
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("s", "the first")]


def test_another_version_is_refused(tmp_path: Path) -> None:
    path = filled(tmp_path / "s", 1)
    newer = sqlite3.connect(path)
    newer.execute("PRAGMA user_version = 7")
    newer.close()
    text = "Store.open: `path` must be a store of version 1, which this jaxnn reads and writes; "
    text += f"got version 7 in {str(path)!r}. Use the jaxnn that wrote it."
    assert refused(lambda: Store.open(path)) == text


def test_one_process_writes_at_a_time(tmp_path: Path) -> None:
    path = filled(tmp_path / "s", 1)
    with Store.open(path) as store:
        with pytest.raises(StoreError) as error:
            Store.open(path)
        host = f"pid {os.getpid()} on {os.uname().nodename} since 20"
        assert str(error.value).startswith(f"{path}: another process writes it ({host}")
        assert str(error.value).endswith("). Wait for it or stop it; reading needs no turn.")
        with pytest.raises(StoreError, match="another process writes it"):
            salvage(path)
        with pytest.raises(ValueError, match="must be a new file"):
            Store.create(path, {})
        store.put("after", arrays(0))
    code = "store = Store.open(path); print('open', flush=True); sys.stdin.read()"
    with child(code, path, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "open\n"
        with pytest.raises(StoreError, match=f"pid {holder.pid} on "):
            Store.open(path)
        holder.kill()
    (tmp_path / "link").symlink_to(path)
    with Store.open(path), pytest.raises(StoreError, match="another process writes it"):
        Store.open(tmp_path / "link")
    assert {file.name for file in tmp_path.iterdir()} == {"s", "link"}


def test_a_lock_that_was_given_back_meanwhile_is_not_two_locks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, flock = filled(tmp_path / "s", 1), filesystem.fcntl.flock
    first = Store.open(path)

    def late(descriptor: int, operation: int) -> None:
        first.close()  # after the other has opened the file that is taken away here
        flock(descriptor, operation)

    monkeypatch.setattr(filesystem.fcntl, "flock", late)
    with Store.open(path), pytest.raises(StoreError, match="another process writes it"):
        Store.open(path)


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOTSUP, None])
def test_without_locks_it_goes_on(
    code: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_lock(*arguments: Any) -> None:
        raise OSError(code, "no locks")

    if code is None:
        monkeypatch.setattr(filesystem, "fcntl", None)
    else:
        monkeypatch.setattr(filesystem.fcntl, "flock", no_lock)
    with Store.open(filled(tmp_path / "s", 1)) as one, Store.open(one.path) as two:
        one.put("one", arrays(1))
        two.put("two", arrays(2))
        assert one.names() == two.names() == [name(0), "one", "two"]


PUTS = """
first, last, lock = map(int, sys.argv[2:])
if not lock:
    filesystem.fcntl = None
with Store.open(path) as store:
    for number in range(first, last):
        store.put(f"block/{number:05}", arrays(number))
        if number % 10 == 0:
            store.replace_manifest({"done": list(range(number))})
        print(f"block/{number:05}", flush=True)
"""


@pytest.mark.parametrize("journal", JOURNALS)
def test_overlapping_writers_commit_each_chunk_once(journal: Journal, tmp_path: Path) -> None:
    path = filled(tmp_path / "s", 0, journal)
    writers = [child(PUTS, path, 0, 80, 0, stdout=subprocess.DEVNULL) for _ in range(2)]
    assert [writer.wait() for writer in writers] == [0, 0]
    with Store.open(path) as store:
        assert sorted(store.names()) == [name(number) for number in range(80)]
        assert all(equal(store.get(name(number)), arrays(number)) for number in range(80))
        assert (store.check(), store.faults()) == ([], [])


@pytest.mark.parametrize("journal", JOURNALS)
def test_killed_in_the_midst_of_puts_nothing_is_lost(journal: Journal, tmp_path: Path) -> None:
    path, generator, done = filled(tmp_path / "s", 0, journal), random.Random(7), 0
    for _ in range(12):
        with child(PUTS, path, done, 10**6, 1, stdout=subprocess.PIPE) as writer:
            assert writer.stdout
            said = [writer.stdout.readline()]
            time.sleep(generator.uniform(0, 0.05))
            writer.send_signal(signal.SIGKILL)
            said += writer.stdout.read().splitlines()
        done += len(said)
        with Store.open(path) as store:
            assert said[-1].strip() == name(done - 1)
            # The last may be committed, and not told of.
            assert [name(n) for n in range(done)] == store.names()[:done]
            assert len(store.names()) <= done + 1
            assert (store.check(), store.faults()) == ([], [])
            assert store.manifest["done"] == list(range(len(store.manifest["done"])))
            done = len(store.names())
    assert done > 12
    with Store.open(path) as store:
        assert all(equal(store.get(name(n)), arrays(n)) for n in range(done))


@pytest.mark.parametrize("journal", JOURNALS)
def test_killed_while_it_is_created_it_can_be_created_again(
    journal: Journal, tmp_path: Path
) -> None:
    code = """
for number in range(10**6):
    Store.create(f"{path}{number}", {}, journal=sys.argv[2]).close()
    print(number, flush=True)
"""
    generator = random.Random(3)
    for attempt in range(4):
        stem = tmp_path / f"{attempt}-"
        with child(code, stem, journal, stdout=subprocess.PIPE) as creator:
            assert creator.stdout
            said = [creator.stdout.readline()]
            time.sleep(generator.uniform(0, 0.03))
            creator.kill()
            said += creator.stdout.read().splitlines()
        Store.open(f"{stem}{len(said) - 1}").close()
        cut = Path(f"{stem}{len(said)}")
        try:
            Store.create(cut, {}).close()
        except ValueError:  # it was complete, but for the word of it
            Store.open(cut).close()


CUT = """
def rows():
    from jaxnn.sweeps.chunks import checksum, encode
    from jaxnn.sweeps.database import Row
    for number in range(100, 400):
        data, key = encode(arrays(number)), b"cut/%d" % number
        yield Row(None, key, checksum(key, data), 0.0, 0.0, data)
    os.kill(os.getpid(), 9)

store = Store.open(path)
store.put("last", arrays(1))
store._connection.execute("PRAGMA cache_size = 5")  # pages reach the file before the commit
store.insert(rows())
"""


@pytest.mark.parametrize("journal", JOURNALS)
@pytest.mark.parametrize("how", ["read", "write", "salvage"])
def test_killed_within_a_commit_all_of_it_is_undone(
    journal: Journal, how: str, tmp_path: Path
) -> None:
    path = filled(tmp_path / "s", 30, journal)
    before = path.stat().st_size
    with child(CUT, path) as writer:
        assert writer.wait() == -signal.SIGKILL
    assert sum(file.stat().st_size for file in tmp_path.glob("s*")) > before + 200_000
    if how == "salvage":
        assert salvage(path).kept == [*map(name, range(30)), "last"]
    with Store.open(path, read_only=how == "read") as store:
        assert store.names() == [*map(name, range(30)), "last"]
        assert (store.check(), store.faults()) == ([], [])
        assert store.journal == journal


FULL = """
import resource
size = 200_000
if sys.argv[2] == "limit":
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
else:
    open(path + ".ballast", "wb").write(bytes(100_000))
store, done = Store.create(path, {}, journal=sys.argv[3]), 0
try:
    while True:
        store.put(f"block/{done:05}", arrays(done))
        done += 1
except StoreError as error:
    print(str(error).removeprefix(path))
assert done > 10 and store.names() == [f"block/{n:05}" for n in range(done)], done
if sys.argv[2] == "limit":
    resource.setrlimit(resource.RLIMIT_FSIZE, (2 * size, resource.RLIM_INFINITY))
else:
    os.unlink(path + ".ballast")
store.put(f"block/{done:05}", arrays(done))
store.close()
with Store.open(path) as store:
    assert store.names() == [f"block/{n:05}" for n in range(done + 1)]
    assert store.check() == [] == store.faults()
    for number in range(done + 1):
        found = store.get(f"block/{number:05}")
        assert found["loss"].tobytes() == arrays(number)["loss"].tobytes()
"""


@pytest.mark.parametrize("journal", JOURNALS)
def test_a_full_disk_costs_nothing_committed(journal: Journal, tmp_path: Path) -> None:
    kept = ". What was committed is kept.\n"
    said = output(FULL, tmp_path / "s", "limit", journal)
    assert said == f": it cannot be read or written (disk I/O error); is the disk full?{kept}"
    unshare = ["unshare", "--user", "--map-root-user", "--mount"]
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = [*unshare, "mount", "-t", "tmpfs", "-o", "size=400k", "none", str(disk)]
    # A small disk of its own, where the system lets its users mount one.
    if shutil.which("unshare") and subprocess.run(mount, capture_output=True).returncode == 0:
        script = f'{" ".join(mount[len(unshare) :])} && exec {sys.executable} -c "$0" "$@"'
        command = [*unshare, "sh", "-c", script, CHILD + FULL, str(disk / "s"), "tmpfs", journal]
        ran = subprocess.run(command, capture_output=True, text=True)
        assert (ran.stdout, ran.stderr) == (f": the disk is full{kept}", "")


def test_sqlite_says_full(tmp_path: Path) -> None:
    with Store.open(filled(tmp_path / "s", 1)) as store:
        store._connection.execute("PRAGMA max_page_count = 12")
        with pytest.raises(StoreError) as error:
            store.put("large", {"x": np.zeros(10_000)})
        assert str(error.value) == f"{store.path}: the disk is full. What was committed is kept."
        assert store.names() == [name(0)]


COUNT = 40


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return filled(tmp_path_factory.mktemp("whole") / "s", COUNT).read_bytes()


def assert_nothing_wrong(path: Path) -> None:
    """The store is refused, or each chunk is what was put or damaged, and checks say so."""
    try:
        store = Store.open(path)
    except (StoreError, BadValue):
        return
    with store:
        assert store.manifest == MANIFEST
        wrong = store.check() + store.faults()
        for number in range(COUNT):
            try:
                assert equal(store.get(name(number)), arrays(number))
            except DamagedError:
                assert wrong


def assert_salvaged(path: Path, at_most: int) -> list[str]:
    """What is kept is intact, all but `at_most` chunks are, and the others are named."""
    before = path.read_bytes()
    kept, lost, damaged = salvage(path)
    assert damaged.read_bytes() == before
    with Store.open(path) as store:
        assert store.manifest == MANIFEST
        assert store.names() == kept
        assert (store.check(), store.faults()) == ([], [])
        assert all(equal(store.get(key), arrays(int(key[-5:]))) for key in kept)
    missing = {name(number) for number in range(COUNT)} - set(kept)
    assert len(missing) <= at_most
    assert missing <= set(lost)
    return kept


def test_a_flipped_bit_is_found_and_costs_a_page_at_most(whole: bytes, tmp_path: Path) -> None:
    generator = random.Random(11)
    anywhere = [generator.randrange(len(whole)) for _ in range(30)]
    # The header, the schema, both copies of the manifest and the inner pages.
    delicate = [generator.randrange(100) for _ in range(12)]
    delicate += [generator.randrange(100, 6 * database.PAGE) for _ in range(18)]
    for at in anywhere + delicate:
        spoiled = bytearray(whole)
        spoiled[at] ^= 1 << generator.randrange(8)
        for path in (tmp_path / "read", tmp_path / "salvaged"):
            path.write_bytes(spoiled)
        assert_nothing_wrong(tmp_path / "read")
        assert_salvaged(tmp_path / "salvaged", at_most=6)
        for path in tmp_path.iterdir():
            path.unlink()


def test_flipped_bits_of_the_log(tmp_path: Path) -> None:
    path = filled(tmp_path / "s", 0)
    code = PUTS.replace(
        'print(f"block', 'last - number == 1 and os.kill(os.getpid(), 9); print(f"b'
    )
    with child(code, path, 0, COUNT, 1, stdout=subprocess.DEVNULL) as writer:
        assert writer.wait() == -signal.SIGKILL
    whole, log = path.read_bytes(), (tmp_path / "s-wal").read_bytes()
    assert len(whole) < len(log)
    generator = random.Random(5)
    # The number of the first page, its mark, and others behind the header.
    for at in [32, 40, *(generator.randrange(32, len(log)) for _ in range(13))]:
        spoiled = bytearray(log)
        spoiled[at] ^= 1 << generator.randrange(8)
        (tmp_path / "t").write_bytes(whole)
        (tmp_path / "t-wal").write_bytes(spoiled)
        kept = salvage(tmp_path / "t").kept
        assert len(kept) >= COUNT - 6
        with Store.open(tmp_path / "t") as store:
            assert all(equal(store.get(key), arrays(int(key[-5:]))) for key in kept)
        # SQLite believes no commit from the flipped one on: as if it had not been made.
        (tmp_path / "t").write_bytes(whole)
        (tmp_path / "t-wal").write_bytes(spoiled)
        with Store.open(tmp_path / "t") as store:
            names = store.names()
            assert names == [name(number) for number in range(len(names))]
            assert all(equal(store.get(key), arrays(int(key[-5:]))) for key in names)


def test_what_an_earlier_round_left_in_the_log_is_not_believed(tmp_path: Path) -> None:
    path = filled(tmp_path / "s", 0)
    code = (
        PUTS
        + """
    store._connection.execute("PRAGMA wal_checkpoint(RESTART)")
    store.discard(["block/00039"])
    os.kill(os.getpid(), 9)
"""
    )
    with child(code, path, 0, COUNT, 1, stdout=subprocess.DEVNULL) as writer:
        assert writer.wait() == -signal.SIGKILL
    assert salvage(path)[:2] == ([name(number) for number in range(COUNT - 1)], [])


@pytest.mark.parametrize(
    "kind", [damage.INDEX_LEAF, damage.TABLE_LEAF], ids=["the index", "the table"]
)
def test_a_name_that_the_index_or_the_table_has_lost(kind: bytes, tmp_path: Path) -> None:
    path = filled(tmp_path / "s", 9)
    content = path.read_bytes()
    kinds = content[:: database.PAGE]
    at = content.index(name(4).encode(), kinds.index(kind) * database.PAGE)
    path.write_bytes(content[:at] + b"x" + content[at + 1 :])
    with Store.open(path) as store:
        assert equal(store.get(name(4)), arrays(4))
        assert store.check() == ["xlock/00004"]
        assert store.faults()
    gone = [4] if kind == damage.TABLE_LEAF else []
    assert salvage(path).kept == [name(number) for number in range(9) if number not in gone]


def test_what_no_checksum_covers_keeps_no_chunk_from_being_salvaged(tmp_path: Path) -> None:
    path = filled(tmp_path / "s", 4)
    other = sqlite3.connect(path)
    other.execute("UPDATE chunks SET id = -5 WHERE id = 3")
    other.commit()
    other.close()
    content = path.read_bytes()
    at = content.rindex(name(1).encode(), 0, content.index(arrays(1)["loss"].data))
    seconds = at + len(name(1)) + 32
    assert content[seconds : seconds + 8] == struct.pack(">d", 0.25)
    path.write_bytes(content[:seconds] + struct.pack(">d", math.nan) + content[seconds + 8 :])
    expected = [(name(2), 0.25), (name(0), 0.25), (name(1), 0.0), (name(3), 0.25)]
    with Store.open(path) as store:
        assert [(chunk.name, chunk.seconds) for chunk in store.info()] == expected
    salvage(path)
    with Store.open(path) as store:
        assert [(chunk.name, chunk.seconds) for chunk in store.info()] == expected
        assert store.check() == []


def test_a_row_that_the_table_has_lost(tmp_path: Path) -> None:
    path = filled(tmp_path / "s", 9)
    content = bytearray(path.read_bytes())
    first = content[:: database.PAGE].index(damage.TABLE_LEAF) * database.PAGE
    at = content.index(name(0).encode(), first)
    content[at // database.PAGE * database.PAGE + 4] -= 1  # how many rows are on the page
    path.write_bytes(content)
    with Store.open(path) as store:
        (gone,) = {name(number) for number in range(9)} - set(store.names())
        assert store.check() == [gone]
        assert store.faults()
        with pytest.raises(DamagedError, match=f"chunk '{gone}' is damaged"):
            store.get(gone)
    kept, lost, _ = salvage(path)
    assert sorted([*kept, gone]) == [name(number) for number in range(9)]
    assert lost == [gone]


def test_what_is_cut_off_is_found(whole: bytes, tmp_path: Path) -> None:
    generator, path = random.Random(2), tmp_path / "s"
    sizes = [generator.randrange(6 * database.PAGE, len(whole)) for _ in range(5)]
    for size in [*sizes, len(whole) - 1]:
        path.write_bytes(whole[:size])
        assert_nothing_wrong(path)
        path.write_bytes(whole[:size])
        assert len(assert_salvaged(path, at_most=COUNT)) >= COUNT * size // len(whole) - 7
    for size in (0, 1, 99, 100, database.PAGE, 3 * database.PAGE + 5):
        path.write_bytes(whole[:size])
        assert_nothing_wrong(path)
        path.write_bytes(whole[:size])
        with pytest.raises(StoreError, match="no copy of the manifest is readable"):
            salvage(path)
        assert path.read_bytes() == whole[:size]
        assert salvage(path, {"seed": 1}).kept == []
        assert Store.open(path, read_only=True).manifest == {"seed": 1}


def test_salvage_loses_nothing_when_it_is_cut_short(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = filled(tmp_path / "s", COUNT, "rollback")
    for step in ("link", "replace"):
        with monkeypatch.context() as patch:

            def stop(*arguments: Any) -> None:
                raise KeyboardInterrupt

            patch.setattr(damage.os, step, stop)
            with pytest.raises(KeyboardInterrupt):
                salvage(path)
        assert_nothing_wrong(path)
    (tmp_path / "s.damaged").unlink()
    everything = [name(number) for number in range(COUNT)]
    assert salvage(path) == (everything, [], tmp_path / "s.damaged")
    with monkeypatch.context() as patch:

        def no_links(*arguments: Any) -> None:
            raise OSError(errno.EPERM, "no links here")

        patch.setattr(damage.os, "link", no_links)
        assert salvage(path) == (everything, [], tmp_path / "s.damaged2")
    with Store.open(path) as store:
        assert store.journal == "rollback"
    for copy in (path, tmp_path / "s.damaged", tmp_path / "s.damaged2"):
        with Store.open(copy) as store:
            assert [(chunk.name, chunk.seconds) for chunk in store.info()] == [
                (key, 0.25) for key in everything
            ]
    with pytest.raises(ValueError, match=r"^salvage: `path` must be an existing store; got "):
        salvage(tmp_path / "nowhere")


def test_what_was_discarded_stays_away(tmp_path: Path) -> None:
    path = filled(tmp_path / "s", COUNT)
    with Store.open(path) as store:
        store.discard(name(number) for number in range(0, COUNT, 2))
    assert salvage(path)[:2] == ([name(number) for number in range(1, COUNT, 2)], [])


def test_a_damaged_chunk_is_discarded_and_put_anew(tmp_path: Path) -> None:
    path = filled(tmp_path / "s", COUNT)
    content = path.read_bytes()
    at = content.index(np.asarray(arrays(3)["loss"]).tobytes()[:32])
    path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
    with Store.open(path) as store:
        assert (store.check(), store.faults()) == ([name(3)], [])
        with pytest.raises(DamagedError) as error:
            store.get(name(3))
        text = f"{path}: chunk 'block/00003' is damaged (it differs from its checksum). "
        assert str(error.value) == text + "Discard it and put it anew."
        store.put(name(3), arrays(3))  # it is there already
        assert store.check() == [name(3)]
        store.discard(store.check())
        store.put(name(3), arrays(3))
        assert store.check() == []
        assert equal(store.get(name(3)), arrays(3))


def test_one_chunk_in_the_place_of_another_is_found(tmp_path: Path) -> None:
    path = filled(tmp_path / "s", 3)
    other = sqlite3.connect(path)
    for old, new in ((name(0), "x"), (name(1), name(0)), ("x", name(1))):
        other.execute("UPDATE chunks SET name = ? WHERE name = ?", (new.encode(), old.encode()))
    other.commit()
    other.close()
    with Store.open(path) as store:
        assert store.check() == [name(1), name(0)]
        assert equal(store.get(name(2)), arrays(2))
    assert salvage(path)[:2] == ([name(2)], [name(0), name(1)])


def test_one_copy_of_the_manifest_does(tmp_path: Path) -> None:
    path = filled(tmp_path / "s", 3)
    for table in database.MANIFESTS:
        other = sqlite3.connect(path)
        other.execute(f"UPDATE {table} SET data = CAST('{{}}' AS BLOB)")
        other.commit()
        other.close()
        if table == database.MANIFESTS[0]:
            with Store.open(path) as store:
                assert store.manifest == MANIFEST
                text = "The copy of the manifest in table manifest is damaged."
                assert (store.check(), store.faults()) == ([], [text])
    with pytest.raises(DamagedError, match=r": both copies of the manifest are damaged\. `j"):
        Store.open(path)


def test_a_clock_that_is_set_back_decides_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(range(10**9, 0, -(10**6)))
    monkeypatch.setattr(store_module.time, "time", lambda: float(next(clock)))
    path = filled(tmp_path / "s", 9)
    with Store.open(path) as store:
        store.put("later", arrays(0))
        store.put(name(0), arrays(1))
        assert store.names() == [*map(name, range(9)), "later"]
        assert equal(store.get(name(0)), arrays(0))
        times = [chunk.committed_at for chunk in store.info()]
        assert times == sorted(times, reverse=True)


@pytest.mark.parametrize("journal", JOURNALS)
def test_reading_while_another_writes(journal: Journal, tmp_path: Path) -> None:
    path = filled(tmp_path / "s", 3, journal)
    with Store.open(path) as writer, Store.open(path, read_only=True) as reader:
        assert reader.journal == journal
        for number in range(3, 30):
            writer.put(name(number), arrays(number))
            assert reader.names() == [name(n) for n in range(number + 1)]
            assert equal(reader.get(name(number)), arrays(number))
        assert reader.info() == writer.info()
        for act in (lambda: reader.put("a", {}), lambda: reader.discard([name(0)])):
            with pytest.raises(StoreError) as error:
                act()
            text = f"{path}: it may only be read. What was committed is kept."
            assert str(error.value) == text
        reader.close()
        writer.put("last", {})
    assert [file.name for file in tmp_path.iterdir()] == ["s"]


def test_a_reader_leaves_nothing_behind(tmp_path: Path) -> None:
    path = filled(tmp_path / "s", 3)
    before = path.read_bytes()
    with Store.open(path, read_only=True) as store:
        assert store.names() == [name(n) for n in range(3)]
    assert [file.name for file in tmp_path.iterdir()] == ["s"]
    assert path.read_bytes() == before


READ = """
if os.geteuid() == 0:  # whom no permission binds
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
try:
    open(path + ".lock", "w")
except PermissionError:
    pass
else:
    raise SystemExit("the folder can be written")
with Store.open(path, read_only=True) as store:
    print(*store.names(), store.get("block/00001")["step"], store.check() + store.faults())
try:
    Store.open(path)
except StoreError as error:
    print(str(error).removeprefix(path))
"""


@pytest.fixture
def locked() -> Iterator[Path]:
    """A folder that others may read and nobody write, while a test does not open it."""
    folder = Path(tempfile.mkdtemp())
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


@pytest.mark.parametrize("journal", JOURNALS)
def test_a_folder_where_nothing_may_be_written(journal: Journal, locked: Path) -> None:
    path = filled(locked / "s", 2, journal)
    path.chmod(0o444)
    locked.chmod(0o555)
    refusal = f": nothing can be written beside it ([Errno 13] Permission denied: '{path}.lock')."
    assert output(READ, path) == f"block/00000 block/00001 1 []\n{refusal}\n"


def test_a_folder_where_nothing_may_be_written_after_a_kill(locked: Path) -> None:
    path = filled(locked / "s", 0)
    with child(PUTS, path, 0, 10**6, 1, stdout=subprocess.PIPE) as writer:
        assert writer.stdout
        said = [writer.stdout.readline().strip() for _ in range(3)]
        writer.kill()
        said += writer.stdout.read().split()
    (locked / "s.lock").unlink()
    for file in locked.iterdir():
        file.chmod(0o444)
    locked.chmod(0o555)
    assert output(READ, path).startswith(" ".join(said))


def test_threads_share_a_store(tmp_path: Path) -> None:
    with Store.create(tmp_path / "s", MANIFEST) as store:

        def puts(thread: int) -> None:
            for number in range(thread, 120, 3):  # each number from two threads
                store.put(name(number), arrays(number))
                assert equal(store.get(name(number)), arrays(number))

        threads = [threading.Thread(target=puts, args=(start % 3,)) for start in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(store.names()) == [name(number) for number in range(120)]
        assert (store.check(), store.faults()) == ([], [])


def test_the_store_needs_no_jax() -> None:
    said = output("print(*sorted({'jax', 'jaxlib', 'optax', 'scipy'} & set(sys.modules)))", "s")
    assert said == "\n"


MOUNTS = r"""
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard
30 27 0:40 / /home rw,relatime shared:5 master:1 - nfs4 server:/home rw,vers=4.2
31 30 8:1 / /home/local rw - xfs /dev/sda1 rw
32 27 0:41 / /mnt/two\040words rw - cifs //server/share rw
33 27 0:42 / /mnt/auto rw - autofs systemd-1 rw
34 33 0:43 / /mnt/auto rw - lustre mds@tcp:/scratch rw
35 27 0:44 / /remote rw - fuse.sshfs me@there: rw
36 27 0:45 / /disks rw - fuse.mergerfs a:b rw
37 27 0:46 / /usb rw - fuseblk /dev/sdb1 rw
38 27 0:47 / /windows rw - 9p C: rw
39 27 0:48 / /any rw - fuse.something-new x rw
"""


@pytest.mark.parametrize(
    ("path", "kind", "network"),
    [
        ("/work/s", "ext4", False),
        ("/home/me/s", "nfs4", True),
        ("/homely/s", "ext4", False),
        ("/home", "nfs4", True),
        ("/home/local/s", "xfs", False),
        ("/mnt/two words/s", "cifs", True),
        ("/mnt/auto/s", "lustre", True),
        ("/remote/s", "fuse.sshfs", True),
        ("/disks/s", "fuse.mergerfs", False),
        ("/usb/s", "fuseblk", False),
        ("/windows/s", "9p", True),
        ("/any/s", "fuse.something-new", True),
    ],
)
def test_networks_are_known_by_their_mounts(path: str, kind: str, network: bool) -> None:
    assert filesystem.kind_of(path, MOUNTS) == kind
    assert filesystem.is_network(Path(path), MOUNTS) is network
    assert filesystem.kind_of(path, "") == ""


def test_the_journal_fits_the_file_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    local, remote = tmp_path / "local", tmp_path / "remote"
    mounts = f"27 1 254:0 / / rw - ext4 x rw\n30 27 0:40 / {os.path.realpath(remote)} rw - nfs x rw"
    monkeypatch.setattr(filesystem.Path, "read_text", lambda self, **options: mounts)
    local.mkdir()
    remote.mkdir()
    for folder, expected in ((local, "wal"), (remote, "rollback")):
        with Store.create(folder / "s", MANIFEST) as store:
            assert store.journal == expected
        for journal in JOURNALS:
            with Store.create(folder / journal, MANIFEST, journal=journal) as store:
                assert store.journal == journal
    # What was moved to a network is changed as it is opened there, unless told otherwise.
    with Store.open(remote / "wal") as store:
        assert store.journal == "rollback"
    with Store.open(remote / "wal", journal="wal") as store:
        assert store.journal == "wal"
    with Store.open(local / "rollback") as store:
        assert store.journal == "rollback"


@pytest.mark.parametrize("journal", JOURNALS)
def test_commits_wait_for_the_disk(journal: Journal, tmp_path: Path) -> None:
    with Store.open(filled(tmp_path / "s", 1, journal)) as store:
        for pragma, expected in (("synchronous", 3), ("fullfsync", 1), ("checkpoint_fullfsync", 1)):
            assert store._connection.execute(f"PRAGMA {pragma}").fetchone() == (expected,)


def test_the_folder_is_on_the_disk_before_the_store_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[bool] = []
    fsync = os.fsync

    def note(descriptor: int) -> None:
        synced.append(os.path.samestat(os.fstat(descriptor), tmp_path.stat()))
        fsync(descriptor)

    monkeypatch.setattr(filesystem.os, "fsync", note)
    filled(tmp_path / "s", 1)
    assert synced == [True]
    salvage(tmp_path / "s")  # that of the new file, the old one's second name, the swap
    assert synced == [True] * 4


def test_manifests_differ_line_by_line() -> None:
    stored = {
        "space": {
            "learning_rate": {"log_uniform": [1e-4, 1e-1]},
            "b1": {"one_minus": {"log_uniform": [0.001, 0.5]}},
            "width": {"structural": {"choice": [16, 64]}},
            "optimizer": {"choice": {"sgd": {}, "adam": {"b2": {"uniform": [0.9, 0.99]}}}},
            "momentum": 0.9,
        },
        "rows": [{"x": number} for number in range(12)],
        "programs": ["a", "b"],
        "seed": 0,
        "x64": True,
    }
    given = {
        "space": {
            "learning_rate": {"log_uniform": [1e-3, 1e-1]},
            "b1": {"one_minus": {"log_uniform": [0.001, 0.25]}},
            "width": {"structural": {"choice": (16, 64)}},
            "optimizer": {"choice": {"sgd": {}, "adam": {"b2": {"uniform": [0.9, 0.999]}}}},
            "weight_decay": None,
        },
        "rows": [{"x": number if number not in (2, 10) else 0.0} for number in range(12)],
        "programs": ["a", "c"],
        "seed": 0,
        "x64": 1,
    }
    lines = [
        "programs: stored ['a', 'b'], given ['a', 'c']",
        "rows.2.x: stored 2, given 0.0",
        "rows.10.x: stored 10, given 0.0",
        "space.b1: stored one_minus(log_uniform(0.001, 0.5)), "
        "given one_minus(log_uniform(0.001, 0.25))",
        "space.learning_rate: stored log_uniform(0.0001, 0.1), given log_uniform(0.001, 0.1)",
        "space.momentum: stored 0.9, given nothing",
        "space.optimizer.choice.adam.b2: stored uniform(0.9, 0.99), given uniform(0.9, 0.999)",
        "space.weight_decay: stored nothing, given None",
        "x64: stored True, given 1",
    ]
    assert difference(stored, given) == lines
    turned = re.compile("(.*): stored (.*), given (.*)")
    back = [turned.sub(r"\1: stored \3, given \2", line) for line in difference(given, stored)]
    assert back == lines
    assert difference(stored, stored) == []
