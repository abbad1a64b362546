"""What a sweep says of itself while it runs."""

from __future__ import annotations

from typing import NamedTuple

from jaxnn.sweeps.engine import BlockResult

__all__ = ["Progress"]


class Progress(NamedTuple):
    """Told after every segment and every block, first of all the blocks that a store had already.

    segments and num_segments: done and in all, of what is run now, as far as can be known: where a
    rule stops trials early, fewer may come. rows and num_rows: trials that are done, for good, and
    in all. block: what the block that has just ended gave, None after a segment.
    """

    segments: int
    num_segments: int
    rows: int
    num_rows: int
    block: BlockResult | None = None
