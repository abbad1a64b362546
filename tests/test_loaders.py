"""Loaders of images, from small files in the formats of MNIST and CIFAR-10 written here."""

from __future__ import annotations

import gzip
import hashlib
import io
import re
import struct
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jaxnn.errors import BadValue
from jaxnn.problems import loaders

IDX = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
BATCHES = [*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin"]
RNG = np.random.default_rng(0)
TRAIN, TEST = RNG.integers(0, 256, (12, 4, 5)), RNG.integers(0, 256, (6, 4, 5))
TRAIN_LABELS, TEST_LABELS = np.arange(12) % 3, np.arange(6) % 3


def idx(values: Any) -> bytes:
    """As the format says: two zeros, 8, the number of axes, their lengths, the bytes."""
    values = np.asarray(values)
    head = struct.pack(">BBBB", 0, 0, 8, values.ndim) + struct.pack(
        f">{values.ndim}I", *values.shape
    )
    return head + bytes(values.ravel().tolist())


def written(folder: Path, *, zipped: bool) -> Path:
    for name, values in zip(IDX, (TRAIN, TRAIN_LABELS, TEST, TEST_LABELS), strict=True):
        data = idx(values)
        if zipped:
            (folder / f"{name}.gz").write_bytes(gzip.compress(data))
        else:
            (folder / name).write_bytes(data)
    return folder


def check(images: loaders.Images) -> None:
    np.testing.assert_array_equal(images.train_inputs, TRAIN[..., None])
    np.testing.assert_array_equal(images.train_labels, TRAIN_LABELS)
    np.testing.assert_array_equal(images.test_inputs, TEST[..., None])
    np.testing.assert_array_equal(images.test_labels, TEST_LABELS)
    assert images.train_inputs.dtype == np.uint8
    assert images.train_labels.dtype == np.int64


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("loader", [loaders.mnist, loaders.fashion_mnist])
def test_idx_files(loader: Any, zipped: bool, tmp_path: Path) -> None:
    check(loader(written(tmp_path, zipped=zipped), checksums={}))
    name = f"{IDX[0]}.gz" if zipped else IDX[0]
    np.testing.assert_array_equal(loaders.read_idx(tmp_path / name), TRAIN)


def test_checksums(tmp_path: Path) -> None:
    folder = written(tmp_path, zipped=True)
    name = f"{IDX[0]}.gz"
    right = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    check(loaders.mnist(folder, checksums={name: right.upper()}))
    np.testing.assert_array_equal(loaders.read_idx(folder / name, sha256=right), TRAIN)
    wrong = f"{'0' * 63}1"
    message = f"mnist: `sha256` must be {wrong} for {name}; got {right}. Fetch it again, or pass"
    with pytest.raises(BadValue, match=re.escape(message)):
        loaders.mnist(folder, checksums={name: wrong})
    known = loaders.CHECKSUMS["mnist"][name]  # by default files must be the real ones
    with pytest.raises(BadValue, match=f"must be {known} for {re.escape(name)}; got {right}"):
        loaders.mnist(folder)
    for table in loaders.CHECKSUMS.values():
        assert all(re.fullmatch("[0-9a-f]{64}", value) for value in table.values())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda data: b"\x00\x00\x0d" + data[3:],
            "must be an IDX file of bytes; got one that begins",
        ),
        (lambda data: b"<!do", "must be an IDX file of bytes; got one that begins b'<!do'"),
        (lambda data: b"", "must be an IDX file of bytes; got one that begins b''"),
        (lambda data: data[:-1], "must be of 256 bytes by its head; got 255. Fetch it again."),
        (lambda data: data + b"\x00", "must be of 256 bytes by its head; got 257"),
        (lambda data: gzip.compress(data)[:-9], "must be a whole gzip file; got "),
    ],
)
def test_broken_idx_files(change: Any, message: str, tmp_path: Path) -> None:
    folder = written(tmp_path, zipped=False)
    path = folder / IDX[0]
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(BadValue, match=re.escape(f"mnist: `{IDX[0]}` {message}")):
        loaders.mnist(folder, checksums={})


def test_files_that_do_not_fit_together(tmp_path: Path) -> None:
    folder = written(tmp_path, zipped=False)
    (folder / IDX[1]).write_bytes(idx(TRAIN_LABELS[:-1]))
    message = (
        f"mnist: `folder` must be one label for each image; got {IDX[0]} of shape (12, 4, 5) with "
        "labels of shape (11,)."
    )
    with pytest.raises(BadValue, match=re.escape(message)):
        loaders.mnist(folder, checksums={})
    (folder / IDX[1]).unlink()
    with pytest.raises(BadValue, match=rf"mnist: `path` must be a folder or file with {IDX[1]}"):
        loaders.mnist(folder, checksums={})


def records(number: int, count: int) -> tuple[bytes, np.ndarray, np.ndarray]:
    """A batch of CIFAR-10: label, then red, green, blue, each row after row."""
    rng = np.random.default_rng(number)
    images, labels = rng.integers(0, 256, (count, 32, 32, 3)), rng.integers(0, 10, count)
    data = b"".join(
        bytes([label]) + b"".join(bytes(image[:, :, c].ravel().tolist()) for c in range(3))
        for label, image in zip(labels.tolist(), images, strict=True)
    )
    return data, images, labels


def archive(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return path


def test_cifar10(tmp_path: Path) -> None:
    batches = [records(number, 2) for number in range(6)]
    files = {name: data for name, (data, _, _) in zip(BATCHES, batches, strict=True)}
    path = archive(tmp_path / "cifar-10-binary.tar.gz", {"readme.html": b"x", **files})
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    for source in (path, tmp_path):
        found = loaders.cifar10(source, checksums={})
        np.testing.assert_array_equal(
            found.train_inputs, np.concatenate([images for _, images, _ in batches[:5]])
        )
        np.testing.assert_array_equal(
            found.train_labels, np.concatenate([labels for _, _, labels in batches[:5]])
        )
        np.testing.assert_array_equal(found.test_inputs, batches[5][1])
        np.testing.assert_array_equal(found.test_labels, batches[5][2])
    with pytest.raises(BadValue, match="cifar10: `sha256` must be c4a38c50a1bc"):
        loaders.cifar10(path)


def test_broken_cifar10(tmp_path: Path) -> None:
    data, _, _ = records(0, 2)
    files = dict.fromkeys(BATCHES, data)
    path = tmp_path / "cifar-10-binary.tar.gz"
    archive(path, {name: files[name] for name in BATCHES[1:]})
    message = "must be an archive with data_batch_1.bin; got one without. Fetch cifar-10-binary"
    with pytest.raises(BadValue, match=re.escape(f"cifar10: `{path.name}` {message}")):
        loaders.cifar10(path, checksums={})
    path.write_bytes(archive(path, files).read_bytes()[:200])
    with pytest.raises(BadValue, match="must be a whole archive of the binary version; got "):
        loaders.cifar10(path, checksums={})
    archive(path, files | {"test_batch.bin": data[:-1]})
    with pytest.raises(BadValue, match="must be of whole records of 3073 bytes; got 6145 bytes"):
        loaders.cifar10(path, checksums={})
    archive(path, files | {"data_batch_3.bin": b"\x0a" + data[1:]})
    with pytest.raises(
        BadValue, match=r"`data_batch_3\.bin` must be of labels from 0 to 9; got 10"
    ):
        loaders.cifar10(path, checksums={})
    with pytest.raises(BadValue, match="must be a folder or file with nowhere; got no "):
        loaders.cifar10(tmp_path / "nowhere", checksums={})


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """OpenML without a network: 7 rows of what a data set of that number has."""
    calls: list[dict[str, Any]] = []

    def fetch(**given: Any) -> Any:
        calls.append(given)
        pixels = 3072 if given["data_id"] == 40927 else 784
        inputs = np.random.default_rng(1).integers(0, 256, (7, pixels)).astype(np.float64)
        return inputs, np.array(list("0123456"))

    monkeypatch.setattr("sklearn.datasets.fetch_openml", fetch)
    return calls


@pytest.mark.parametrize(
    ("name", "number", "shape"),
    [
        ("mnist", 554, (28, 28, 1)),
        ("fashion_mnist", 40996, (28, 28, 1)),
        ("cifar10", 40927, (32, 32, 3)),
    ],
)
def test_openml(asked: list[Any], name: str, number: int, shape: tuple[int, ...]) -> None:
    found = loaders.openml(name, num_test=2, data_home="there")
    assert asked[0]["data_id"] == number
    assert asked[0]["data_home"] == "there"
    assert found.train_inputs.shape == (5, *shape)
    assert found.test_labels.tolist() == [5, 6]
    rows = np.random.default_rng(1).integers(0, 256, (7, np.prod(shape)))
    row = found.train_inputs[0]
    flat = row.transpose(2, 0, 1).ravel() if name == "cifar10" else row.ravel()
    np.testing.assert_array_equal(flat, rows[0])
    digest = hashlib.sha256(rows.astype(np.uint8).tobytes() + bytes(range(7))).hexdigest()
    loaders.openml(name, num_test=2, sha256=digest)
    with pytest.raises(BadValue, match=f"openml: `sha256` must be 00 for {name}; got {digest}"):
        loaders.openml(name, num_test=2, sha256="00")


def test_openml_errors(asked: list[Any]) -> None:
    with pytest.raises(
        BadValue, match=r"`name` must be one of .*; got 'minst'. Did you mean 'mnist'"
    ):
        loaders.openml("minst")
    assert not asked
    with pytest.raises(BadValue, match="`num_test` must be in"):
        loaders.openml("mnist", num_test=7)


def test_a_problem_from_images(tmp_path: Path) -> None:
    images = loaders.mnist(written(tmp_path, zipped=False), checksums={})
    problem = loaders.image_classification(images, validation=1 / 4, name="tiny")
    assert problem.name == "tiny"
    sizes = [part.inputs.shape for part in (problem.train, problem.validation, problem.test)]
    # 3 and 1 of the 4 of each class, less the one that a third part would have had.
    assert sizes == [(6, 20), (6, 20), (6, 20)]
    np.testing.assert_array_equal(
        problem.test.inputs, (TEST.reshape(6, 20) / 255).astype(np.float32)
    )
    assert sorted(problem.validation.targets.tolist()) == [0, 0, 1, 1, 2, 2]  # class by class
    fewer = loaders.image_classification(images, num_train=6, validation=1 / 2)
    assert [part.inputs.shape[0] for part in (fewer.train, fewer.validation, fewer.test)] == [
        3,
        3,
        6,
    ]
    with pytest.raises(
        BadValue, match=r"`validation` must be in \(0, 1\); got 1. Did you mean 1/6"
    ):
        loaders.image_classification(images, validation=1)
    with pytest.raises(BadValue, match="`num_train` must be in"):
        loaders.image_classification(images, num_train=13)
