"""The one wording of errors."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxnn.errors import (
    BadInput,
    BadType,
    BadValue,
    bad_type,
    bad_value,
    check_integer,
    check_seed,
    shown,
    unknown_name,
)
from jaxnn.typing import Fraction, Interval, NonNegative, Positive, UnitInterval, interval_of


def test_the_grammar() -> None:
    error = bad_value("here", "size", "> 0", -1, "Did you mean 1?")
    assert str(error) == "here: `size` must be > 0; got -1. Did you mean 1?"
    assert isinstance(error, BadValue)
    assert isinstance(error, BadInput)
    assert isinstance(error, ValueError)
    assert not isinstance(error, TypeError)
    error = bad_type("here", "size", "an integer", repr("x"))
    assert str(error) == "here: `size` must be an integer; got 'x'."
    assert isinstance(error, BadType)
    assert isinstance(error, BadInput)
    assert isinstance(error, TypeError)
    assert not isinstance(error, ValueError)


@pytest.mark.parametrize(
    ("got", "fix"),
    [
        ("adm", " Did you mean 'adam'?"),
        ("ADAM", " Did you mean 'adam'?"),
        ("zzz", ""),
        ("dam", " Did you mean 'adam'?"),
        ("send", ""),
        (3, ""),
    ],
)
def test_an_unknown_name(got: Any, fix: str) -> None:
    error = unknown_name("get", "name", got, ["sgd", "adam"])
    assert str(error) == f"get: `name` must be one of adam, sgd; got {got!r}.{fix}"
    assert isinstance(error, BadValue)


def test_what_others_call_it_is_suggested_where_it_is_known() -> None:
    aliases = {"mse": "squared_error"}
    for got, options, fix in [
        ("MSE", ["squared_error", "huber"], " Did you mean 'squared_error'?"),
        ("mse", ["hinge", "huber"], ""),
        ("huberr", ["squared_error", "huber"], " Did you mean 'huber'?"),
    ]:
        error = unknown_name("get", "name", got, options, aliases)
        assert str(error).endswith(f"; got {got!r}.{fix}")


def test_a_value_is_shown_on_one_short_line() -> None:
    assert shown(jax.random.split(jax.random.key(0), 3)) == (
        "an array of shape (3,) and dtype key<fry>"
    )
    assert shown(np.ones(())) == "array(1.)"
    assert shown(jax) == "the module jax"
    assert shown({"a": "b" * 100}) == "{'a': '" + "b" * 73 + "…"
    assert "\n" not in shown((np.eye(3),))


@pytest.mark.parametrize("got", [3, np.int64(3), np.asarray(3)])
def test_integers_pass_as_int(got: Any) -> None:
    value = check_integer("here", "size", got, low=1, high=3)
    assert value == 3
    assert type(value) is int


@pytest.mark.parametrize(
    ("got", "low", "high", "kind", "text"),
    [
        (3.0, 1, None, BadType, "an integer; got 3.0. Pass 1 or more."),
        (True, 1, None, BadType, "an integer; got True. Pass 1 or more."),
        ("3", 1, None, BadType, "an integer; got '3'. Pass 1 or more."),
        (0, 1, None, BadValue, ">= 1; got 0. Pass 1 or more."),
        (0, 1, 5, BadValue, "in [1, 5]; got 0. Did you mean 1?"),
        (9, 1, 5, BadValue, "in [1, 5]; got 9. Did you mean 5?"),
        (4, -3, 0, BadValue, "in [-3, 0]; got 4. Did you mean 0?"),
    ],
)
def test_bad_integers(got: Any, low: int, high: int | None, kind: type, text: str) -> None:
    with pytest.raises(BadInput) as caught:
        check_integer("here", "size", got, low=low, high=high)
    assert type(caught.value) is kind
    assert str(caught.value) == f"here: `size` must be {text}"


@given(st.integers(-5, 5), st.integers(-5, 5), st.integers(0, 5))
def test_integers_pass_exactly_within_the_bounds(got: int, low: int, width: int) -> None:
    inside = low <= got <= low + width
    try:
        assert check_integer("here", "n", got, low=low, high=low + width) == got
    except BadValue:
        assert not inside
    else:
        assert inside


def test_seeds() -> None:
    assert check_seed("here", 0) == 0
    assert check_seed("here", np.uint32(2**32 - 1)) == 2**32 - 1
    for seed, text in [
        (-1, "in [0, 4294967296); got -1. Pass for example 0."),
        (2**32, "in [0, 4294967296); got 4294967296. Pass for example 0."),
        (1.0, "an integer; got 1.0. Pass one in [0, 4294967296)."),
        (True, "an integer; got True. Pass one in [0, 4294967296)."),
    ]:
        with pytest.raises(BadInput) as caught:
            check_seed("here", seed)
        assert str(caught.value) == f"here: `seed` must be {text}"


# Ranges of numbers


@pytest.mark.parametrize(
    ("annotation", "text", "inside", "outside"),
    [
        (Positive, "> 0", [1e-9, 1e9], [0.0, -1.0, float("inf"), float("nan")]),
        (NonNegative, ">= 0", [0.0, 1e9], [-1e-9, float("inf")]),
        (Fraction, "in [0, 1)", [0.0, 0.999], [1.0, -0.1]),
        (UnitInterval, "in [0, 1]", [0.0, 1.0], [1.1, -0.1]),
    ],
)
def test_ranges(annotation: Any, text: str, inside: list[float], outside: list[float]) -> None:
    interval = interval_of(annotation)
    assert interval is not None
    assert str(interval) == text
    assert all(x in interval for x in inside)
    assert not any(x in interval for x in outside)


@given(
    st.floats(-2, 2), st.floats(-2, 2), st.floats(0, 2), st.sampled_from(["[]", "[)", "(]", "()"])
)
def test_an_interval_holds_what_is_between_its_ends(
    value: float, low: float, width: float, ends: str
) -> None:
    interval = Interval(low, low + width, ends)
    if low < value < low + width:
        assert value in interval
    assert (low in interval) == (ends[0] == "[" and (width > 0 or ends[1] == "]"))
    assert (value - 5 in interval) is False


def test_what_carries_no_range() -> None:
    assert interval_of(float) is None
    assert interval_of(None) is None
