"""A store with flipped, cut off and lost bytes: never a wrong array, and little is lost."""

from __future__ import annotations

import errno
import math
import random
import signal
import sqlite3
import struct
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from store_children import MANIFEST, PUTS, arrays, child, equal, filled, name

from jaxnn.errors import BadValue
from jaxnn.sweeps import damage, database
from jaxnn.sweeps.damage import salvage
from jaxnn.sweeps.store import DamagedError, Store, StoreError

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
