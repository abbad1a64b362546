"""The store of a sweep: to the bit what was put, whatever is done to its process, disk and file."""

from __future__ import annotations

import errno
import os
import re
import shutil
import sqlite3
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_np
from store_children import JOURNALS, MANIFEST, PUTS, arrays, child, equal, filled, name, output

from jaxnn.sweeps import chunks, filesystem
from jaxnn.sweeps import store as store_module
from jaxnn.sweeps.damage import salvage
from jaxnn.sweeps.store import Journal, Store, StoreError, difference


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


def test_chunks_are_put_together_or_not_at_all(tmp_path: Path) -> None:
    with Store.create(tmp_path / "s", MANIFEST) as store:
        store.put_all((name(k), arrays(k), float(k)) for k in range(3))
        assert store.names() == [name(k) for k in range(3)]
        assert all(equal(store.get(name(k)), arrays(k)) for k in range(3))
        with pytest.raises(TypeError):
            store.put_all([(name(3), arrays(3), 0.0), (name(4), {"x": np.array(["a"])}, 0.0)])
        assert name(3) not in store


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
