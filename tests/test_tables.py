"""Tables written to files: nothing is lost on the way, whatever a column holds."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas
import pytest

from jaxnn import sweeps, tables
from jaxnn.errors import BadValue
from jaxnn.space import choice, log_uniform, structural

COLUMNS = {
    "setting": np.arange(3),
    "rate": np.array([0.1, 1e-300, np.nan]),
    "few bits": np.array([0.1, 2.0, 3.0], np.float32),
    "name": ["a", 'b, "c"', None],
    "count": [1, None, 3],
    "done": np.array([True, False, True]),
    "matrix": np.arange(6.0).reshape(3, 2) / 3,
    "mixed": np.array([32, "wide", (1, 2)], object),
    "ragged": [[1.0], [], [2.0, 3.0]],
}


def test_csv_keeps_all_digits_and_is_the_same_bytes_each_time(tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv"):
        tables.write("test", COLUMNS, tmp_path / name)
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    with (tmp_path / "a.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == ["a", 'b, "c"', ""]
    assert [row["count"] for row in rows] == ["1", "", "3"]
    assert [float(row["rate"]) for row in rows[:2]] == [0.1, 1e-300]
    assert [np.float32(row["few bits"]) for row in rows] == [np.float32(0.1), 2, 3]
    assert [json.loads(row["matrix"]) for row in rows] == COLUMNS["matrix"].tolist()
    assert [row["mixed"] for row in rows] == ["32", "wide", "(1, 2)"]
    assert b"\r" not in (tmp_path / "a.csv").read_bytes()


def test_parquet_keeps_kinds_and_bits(tmp_path: Path) -> None:
    tables.write("test", COLUMNS, tmp_path / "a.parquet")
    read = pandas.read_parquet(tmp_path / "a.parquet")
    assert list(read) == list(COLUMNS)
    for name in ("setting", "rate", "few bits", "done"):
        wanted: Any = COLUMNS[name]
        assert read[name].dtype == wanted.dtype
        np.testing.assert_array_equal(read[name], wanted)
    assert read["name"].isna().tolist() == [False, False, True]
    assert read["name"].tolist()[:2] == ["a", 'b, "c"']
    assert read["count"].tolist()[::2] == [1, 3]
    assert read["count"].isna().tolist() == [False, True, False]
    np.testing.assert_array_equal(np.stack(read["matrix"]), COLUMNS["matrix"])
    assert read["mixed"].tolist() == ["32", "wide", "(1, 2)"]
    assert [found.tolist() for found in read["ragged"]] == COLUMNS["ragged"]


def test_a_sweep_as_a_frame_and_as_parquet(tmp_path: Path) -> None:
    def trial(key: Any, hyper: Any) -> Any:
        noise = jax.random.uniform(key)
        return {
            "loss": hyper["rate"] * hyper["b"] + noise,
            "pair": jnp.full(2, len(str(hyper["shape"]))),
        }

    space = {
        "rate": log_uniform(1e-3, 1.0),
        "shape": structural([4, "odd", None]),
        "b": choice([1, 2]),
    }
    found = sweeps.run(trial, space, num_trials=4, num_seeds=2)
    frame = found.to_pandas()
    assert list(frame) == list(found.table())
    assert len(frame) == 8
    np.testing.assert_array_equal(frame["loss"], found.table()["loss"])
    np.testing.assert_array_equal(np.stack(frame["pair"]), found.table()["pair"])
    found.to_parquet(tmp_path / "t.parquet")
    read = pandas.read_parquet(tmp_path / "t.parquet")
    np.testing.assert_array_equal(read["loss"], found.table()["loss"])
    wanted = [None if x is None else str(x) for x in found.table()["shape"]]
    assert [None if x != x or x is None else x for x in read["shape"]] == wanted


@pytest.mark.parametrize("package", ["pandas", "pyarrow"])
def test_without_the_extra(package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    path = tmp_path / "a.parquet"
    text = (
        f"test: `write` must be called where {package} is; got no {package}. "
        "pip install 'jaxnn[table]' brings it, or write CSV."
    )
    with pytest.raises(BadValue) as caught:
        tables.check_format("test.write", path)
    assert str(caught.value) == text
    with pytest.raises(BadValue) as caught:
        tables.write("test.write", COLUMNS, path)
    assert str(caught.value) == text
    assert not path.exists()
    tables.write("test.write", COLUMNS, tmp_path / "a.csv")


def test_another_kind_of_file(tmp_path: Path) -> None:
    with pytest.raises(BadValue) as caught:
        tables.write("test.write", COLUMNS, tmp_path / "a.xlsx")
    path = str(tmp_path / "a.xlsx")
    text = f"test.write: `out` must be a file that ends in .csv or .parquet; got {path!r}."
    assert str(caught.value) == text
