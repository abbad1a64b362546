"""Arrays as bytes and back, to the bit, and the checksum of a chunk.

    8 bytes: length of the header · header: {name: [dtype, shape], …} as JSON · the values, C order

All little-endian. Equal arrays give equal bytes: there is no time and no compression in them.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from jaxnn.errors import bad_type, shown

__all__ = ["checksum", "decode", "encode"]

FORMAT = b"jaxnn store 1\0"


def checksum(name: bytes, data: bytes) -> bytes:
    """SHA-256 over a name, which holds no zero byte, and bytes."""
    return hashlib.sha256(FORMAT + name + b"\0" + data).digest()


def encode(arrays: Mapping[str, Any]) -> bytes:
    """Arrays of numbers by name, of NumPy's dtypes or ml_dtypes', such as bfloat16.

    Raises TypeError for names that are no strings and for other dtypes.

    >>> decode(encode({"loss": np.float32([1.5, 0.5])}))
    {'loss': array([1.5, 0.5], dtype=float32)}
    """
    header, parts = {}, [b"", b""]
    for name, value in arrays.items():
        if not isinstance(name, str):
            raise bad_type("Store.put", "arrays", "named by strings", shown(name))
        array = np.asarray(value)
        header[name] = [_dtype_name(name, array.dtype), array.shape]
        parts.append(array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes())
    parts[1] = json.dumps(header, separators=(",", ":")).encode()
    parts[0] = len(parts[1]).to_bytes(8, "little")
    return b"".join(parts)


def decode(data: bytes) -> dict[str, NDArray[Any]]:
    """What `encode` was given: arrays of their own, which may be written."""
    start = 8 + int.from_bytes(data[:8], "little")
    arrays = {}
    for name, (code, shape) in json.loads(data[8:start]).items():
        dtype = np.dtype(getattr(ml_dtypes, code, code))
        arrays[name] = np.ndarray(shape, dtype, data, start).astype(dtype.newbyteorder("="))
        start += dtype.itemsize * math.prod(shape)
    return arrays


def _dtype_name(name: str, dtype: np.dtype[Any]) -> str:
    if dtype.type.__module__ == "ml_dtypes":
        return dtype.name
    if dtype.kind not in "biufc":
        raise bad_type("Store.put", name, "an array of numbers", f"one of {dtype}")
    return dtype.newbyteorder("<").str
