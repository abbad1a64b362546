"""Images from files: MNIST and Fashion-MNIST (IDX), CIFAR-10 (binary version), or from OpenML.

    mnist("data/mnist")           four files, gzipped or not: train-images-idx3-ubyte.gz, …
    fashion_mnist("data/fashion") likewise
    cifar10("cifar-10-binary.tar.gz")   the archive, or the folder that it unpacks to
    openml("mnist")               through scikit-learn, which downloads once and keeps it

Each gives `Images`; `image_classification` makes a problem of them. Nothing but `openml` reaches
the network, and nothing is unpickled: CIFAR-10's Python version could run anybody's code. Files of
known SHA-256 are checked: MNIST's and Fashion-MNIST's as distributed, MNIST's unpacked, and
CIFAR-10's archive.
References: LeCun, Cortes, Burges 1998, "The MNIST database of handwritten digits" (with the
format); Xiao, Rasul, Vollgraf 2017, arXiv:1708.07747, "Fashion-MNIST"; Krizhevsky 2009, "Learning
multiple layers of features from tiny images".
"""

from __future__ import annotations

import gzip
import hashlib
import io
import math
import tarfile
import zlib
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jaxnn.errors import BadValue, bad_value, check_integer, check_seed, look_up
from jaxnn.models import MLP
from jaxnn.problems.base import Supervised, Target
from jaxnn.problems.data import Parts, assemble, split_rows

__all__ = [
    "CHECKSUMS",
    "Images",
    "cifar10",
    "fashion_mnist",
    "image_classification",
    "mnist",
    "openml",
    "read_idx",
]

AnyPath = str | PathLike[str]

_IDX = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)

CHECKSUMS: dict[str, dict[str, str]] = {
    "mnist": {
        f"{_IDX[0]}.gz": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        f"{_IDX[1]}.gz": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        f"{_IDX[2]}.gz": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        f"{_IDX[3]}.gz": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        _IDX[0]: "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        _IDX[1]: "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        _IDX[2]: "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        _IDX[3]: "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    },
    "fashion_mnist": {
        f"{_IDX[0]}.gz": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        f"{_IDX[1]}.gz": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        f"{_IDX[2]}.gz": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        f"{_IDX[3]}.gz": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
    },
    "cifar10": {
        "cifar-10-binary.tar.gz": (
            "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"
        ),
    },
}
"""SHA-256 of files as they are distributed, by data set and file name."""

_CIFAR_FILES = (*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin")
_CIFAR_RECORD = 1 + 3 * 32 * 32

_OPENML = {
    "mnist": (554, (28, 28, 1)),
    "fashion_mnist": (40996, (28, 28, 1)),
    "cifar10": (40927, (3, 32, 32)),
}
"""Number of the data set on OpenML, and the shape of a row there."""


class Images(NamedTuple):
    """Images [rows, height, width, channels] from 0 to 255, and their labels [rows]."""

    train_inputs: NDArray[np.uint8]
    train_labels: NDArray[np.int64]
    test_inputs: NDArray[np.uint8]
    test_labels: NDArray[np.int64]


def mnist(folder: AnyPath, *, checksums: Mapping[str, str] | None = None) -> Images:
    """Handwritten digits, 28 × 28: 60,000 to learn from and 10,000 to report.

    folder: where the four files lie, each gzipped or not. checksums: file names to SHA-256 in hex;
    by default those in `CHECKSUMS`, {} for other files of that format.
    Raises ValueError for a file that is missing, truncated, of another format or checksum.
    """
    return _idx_folder("mnist", folder, checksums)


def fashion_mnist(folder: AnyPath, *, checksums: Mapping[str, str] | None = None) -> Images:
    """Pieces of clothing, 28 × 28, in MNIST's format and numbers. Arguments as for `mnist`."""
    return _idx_folder("fashion_mnist", folder, checksums)


def cifar10(path: AnyPath, *, checksums: Mapping[str, str] | None = None) -> Images:
    """Photographs of ten kinds of things, 32 × 32 in colour: 50,000 and 10,000.

    path: the archive of the binary version, cifar-10-binary.tar.gz, or the folder of its .bin
    files. Other arguments, and what raises, as for `mnist`.
    """
    where, path = "cifar10", Path(path).expanduser()
    known = CHECKSUMS[where] if checksums is None else checksums
    if path.is_dir():
        files = {name: _read(where, path / name, known) for name in _CIFAR_FILES}
    else:
        files = _members(where, path, _read(where, path, known))
    parts = [_cifar_records(where, name, files[name]) for name in _CIFAR_FILES]
    train = np.concatenate(parts[:-1])
    return Images(*_cifar_images(train), *_cifar_images(parts[-1]))


def openml(
    name: str, *, sha256: str | None = None, num_test: int = 10_000, data_home: Any = None
) -> Images:
    """A data set from OpenML through scikit-learn, which compares its own checksum.

    name: "mnist", "fashion_mnist" or "cifar10". num_test: the last so many rows are the test rows,
    as in the original files of the first two. sha256: in hex, of the bytes of all images and then
    all labels, as uint8 in the order of OpenML. data_home: scikit-learn's folder for data.
    Raises ValueError for another name, shape or checksum, and what scikit-learn does without a
    network.
    """
    from sklearn.datasets import fetch_openml

    number, shape = look_up("openml", "name", name, _OPENML)
    inputs, labels = fetch_openml(
        data_id=number, return_X_y=True, as_frame=False, data_home=data_home, parser="liac-arff"
    )
    inputs, labels = np.asarray(inputs), np.asarray(labels).astype(np.int64)
    if inputs.ndim != 2 or inputs.shape[1] != math.prod(shape):
        wanted = f"of {math.prod(shape)} pixels a row"
        raise bad_value("openml", "name", wanted, f"shape {inputs.shape} for {name!r}")
    num_test = check_integer("openml", "num_test", num_test, low=1, high=len(inputs) - 1)
    inputs = inputs.astype(np.uint8)
    if sha256 is not None:
        found = hashlib.sha256(inputs.tobytes() + labels.astype(np.uint8).tobytes())
        _compare("openml", name, found.hexdigest(), sha256)
    images = inputs.reshape(-1, *shape)
    if shape[0] == 3:
        images = images.transpose(0, 2, 3, 1)
    end = len(images) - num_test
    return Images(images[:end], labels[:end], images[end:], labels[end:])


def image_classification(
    images: Images,
    *,
    model: Any = None,
    num_train: int | None = None,
    validation: float = 1 / 6,
    seed: int = 0,
    name: str = "images",
    target: Target | None = None,
) -> Supervised:
    """A problem from images: pixels in [0, 1], test rows as they are given.

    model: takes images [rows, height, width, channels]; by default they are flattened for an MLP of
    128 hidden units. num_train: of the training images about so many are drawn, class by class in
    proportion; by default all. validation: share of these to choose settings by. seed: of drawing
    and splitting, in [0, 2³²). Raises ValueError and TypeError as `classification` does.
    """
    where = "image_classification"
    inputs, labels = images.train_inputs, images.train_labels
    rows = len(inputs)
    num_train = rows if num_train is None else num_train
    num_train = check_integer(where, "num_train", num_train, low=3, high=rows)
    if not 0 < validation < 1:
        raise bad_value(where, "validation", "in (0, 1)", validation, "Did you mean 1/6?")
    kept = num_train / rows
    shares = (kept * (1 - validation), kept * validation, 1 - kept)
    parts = split_rows(rows, check_seed(where, seed), fractions=shares, labels=labels)
    chosen = (parts.train, parts.validation)
    if kept == 1:  # split_rows leaves a row for the third part
        chosen = (parts.train, np.concatenate([parts.validation, parts.test]))
    every = np.concatenate([inputs[np.concatenate(chosen)], images.test_inputs])
    ends = np.cumsum([len(chosen[0]), len(chosen[1]), len(images.test_inputs)])
    if model is None:
        every = every.reshape(len(every), -1)
        model = MLP((every.shape[1], 128, int(labels.max()) + 1))
    return assemble(
        where,
        every.astype(np.float32) / 255,
        np.concatenate([labels[np.concatenate(chosen)], images.test_labels]),
        model,
        Parts(*np.split(np.arange(ends[-1]), ends[:-1])),
        name=name,
        target=target,
    )


def read_idx(path: AnyPath, *, sha256: str | None = None) -> NDArray[np.uint8]:
    """The array of unsigned bytes in an IDX file, gzipped or not, by its first bytes.

    sha256: in hex, of the file as it lies there. Raises ValueError for a file that is missing,
    truncated, of another format or checksum.
    """
    path = Path(path).expanduser()
    return _parse_idx("read_idx", path, _read("read_idx", path, {path.name: sha256}))


def _idx_folder(where: str, folder: AnyPath, checksums: Mapping[str, str] | None) -> Images:
    known = CHECKSUMS[where] if checksums is None else checksums
    folder, arrays = Path(folder).expanduser(), []
    for name in _IDX:
        plain = folder / name
        zipped = plain.with_name(f"{name}.gz")
        path = plain if plain.exists() and not zipped.exists() else zipped
        arrays.append(_parse_idx(where, path, _read(where, path, known)))
    for (images, labels), name in zip((arrays[:2], arrays[2:]), _IDX[::2], strict=True):
        if images.ndim != 3 or labels.shape != images.shape[:1]:
            got = f"{name} of shape {images.shape} with labels of shape {labels.shape}"
            raise bad_value(where, "folder", "one label for each image", got, "Fetch them again.")
    train, train_labels, test, test_labels = arrays
    return Images(
        train[..., None], train_labels.astype(int), test[..., None], test_labels.astype(int)
    )


def _read(where: str, path: Path, checksums: Mapping[str, str | None]) -> bytes:
    """The bytes of a file, whose checksum is compared where it is known."""
    if not path.is_file():
        fix = "Download it there, or use problems.openml."
        raise bad_value(where, "path", f"a folder or file with {path.name}", f"no {path}", fix)
    data = path.read_bytes()
    if (wanted := checksums.get(path.name)) is not None:
        _compare(where, path.name, hashlib.sha256(data).hexdigest(), wanted)
    return data


def _compare(where: str, name: str, found: str, wanted: str) -> None:
    if found != wanted.lower():
        fix = "Fetch it again, or pass the checksum of the file that you mean."
        raise bad_value(where, "sha256", f"{wanted.lower()} for {name}", found, fix)


def _broken(where: str, name: str, wanted: str, got: Any) -> BadValue:
    return bad_value(where, name, wanted, got, "Fetch it again.")


def _parse_idx(where: str, path: Path, data: bytes) -> NDArray[np.uint8]:
    if data[:2] == b"\x1f\x8b":
        try:
            data = gzip.decompress(data)
        except (EOFError, OSError, zlib.error) as error:
            raise _broken(where, path.name, "a whole gzip file", error) from None
    # Two zeros, 8 for unsigned bytes, the number of axes; then their lengths, big-endian.
    if len(data) < 4 or data[:3] != b"\x00\x00\x08":
        raise _broken(where, path.name, "an IDX file of bytes", f"one that begins {data[:4]!r}")
    start = 4 + 4 * data[3]
    shape = tuple(int(n) for n in np.frombuffer(data[4:start], ">u4"))
    wanted = start + math.prod(shape)
    if len(data) != wanted:
        raise _broken(where, path.name, f"of {wanted} bytes by its head", len(data))
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape)


def _members(where: str, path: Path, data: bytes) -> dict[str, bytes]:
    """The batches in the archive; nothing is written anywhere."""
    files: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            for member in archive:
                name = Path(member.name).name
                if member.isfile() and name in _CIFAR_FILES:
                    files[name] = _content(archive, member)
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise _broken(where, path.name, "a whole archive of the binary version", error) from None
    missing: Sequence[str] = [name for name in _CIFAR_FILES if name not in files]
    if missing:
        fix = "Fetch cifar-10-binary.tar.gz; the Python version would have to be unpickled."
        wanted = f"an archive with {missing[0]}"
        raise bad_value(where, path.name, wanted, "one without", fix)
    return files


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member)
    return b"" if file is None else file.read()


def _cifar_records(where: str, name: str, data: bytes) -> NDArray[np.uint8]:
    """[rows, 3073]: the label, then red, green and blue, row after row."""
    if not data or len(data) % _CIFAR_RECORD:
        wanted = f"of whole records of {_CIFAR_RECORD} bytes"
        raise _broken(where, name, wanted, f"{len(data)} bytes")
    records = np.frombuffer(data, np.uint8).reshape(-1, _CIFAR_RECORD)
    if records[:, 0].max() > 9:
        raise _broken(where, name, "of labels from 0 to 9", int(records[:, 0].max()))
    return records


def _cifar_images(records: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    images = records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return images, records[:, 0].astype(np.int64)
