"""A text that every Python carries, the same in each: the names of Unicode's characters.

    LATIN SMALL LETTER A WITH GRAVE
    BLACK CHESS KNIGHT
    COMBINING GREEK YPOGEGRAMMENI

Licences, documentation and docstrings change from one Python to the next. A character's name never
does (Unicode Character Encoding Stability Policies, "Name Stability"), and which characters there
are is fixed in `unicodedata.ucd_3_2_0`, kept for IDNA: 12,886 with a name of their own. Ideographs
and Hangul syllables, named by a formula, are left out. Joined by line ends they are 354,743
characters; the checksum, the same from Python 2.7 to 3.13, is compared.
"""

from __future__ import annotations

import functools
import hashlib
import unicodedata

import numpy as np
from numpy.typing import NDArray

__all__ = ["ALPHABET", "character_names", "decode", "encode"]

ALPHABET = "\n -0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
"""The characters of the text; the place in it is the code."""

_BY_FORMULA = ("CJK UNIFIED IDEOGRAPH-", "CJK COMPATIBILITY IDEOGRAPH-", "HANGUL SYLLABLE ")
_CHECKSUM = "03ce3aea0397e841afdbafb4f732c6cb6fdca0bdb370d0a9cdbdbdcae33a3ee3"


@functools.cache
def character_names() -> tuple[str, ...]:
    """The names of Unicode 3.2's characters, in the order of their numbers.

    Raises RuntimeError for a Python whose database is another one.

    >>> names = character_names()
    >>> len(names), names[0], names[-1]
    (12886, 'SPACE', 'CANCEL TAG')
    """
    # All that Unicode 3.2 names lies in these two stretches.
    points = (*range(0x20000), *range(0xE0000, 0xE0080))
    found = (unicodedata.ucd_3_2_0.name(chr(point), "") for point in points)
    names = tuple(name for name in found if name and not name.startswith(_BY_FORMULA))
    if hashlib.sha256("\n".join(names).encode()).hexdigest() != _CHECKSUM:
        text = "the names in unicodedata.ucd_3_2_0 are not those of Unicode 3.2"
        raise RuntimeError(f"{text}: this Python cannot offer the text.")
    return names


def encode(text: str) -> NDArray[np.int32]:
    """Codes [characters] from 0 to 38; raises ValueError for a character not in `ALPHABET`.

    >>> encode("A B").tolist()
    [13, 1, 14]
    """
    return np.array([ALPHABET.index(character) for character in text], np.int32)


def decode(codes: NDArray[np.int32]) -> str:
    """The inverse of `encode`."""
    return "".join(ALPHABET[code] for code in codes)
