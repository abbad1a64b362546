"""A store whose process is killed, and whose disk is full, keeps what was committed."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from store_children import CHILD, JOURNALS, PUTS, arrays, child, equal, filled, name, output

from jaxnn.sweeps.damage import salvage
from jaxnn.sweeps.store import Journal, Store, StoreError


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
