"""Contestants on a line: names, structure, wrappers, Optax, and rules of one's own."""

from __future__ import annotations

import pathlib

import pytest

from jaxnn.cli.contestants import load_contestants, parse_fixed
from jaxnn.errors import BadInput
from jaxnn.optimizers import clipped, from_optax, get
from jaxnn.optimizers.base import name_of
from jaxnn.testing import optimizer as contracts

EXAMPLE = (
    "For example adam, rmsprop(centered=True), clipped(adamw), optax:lion or my_module:my_rule."
)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("sgd, ,adam,", ["sgd", "adam"]),
        ("rmsprop(centered=True),adagrad(flavor=torch)", None),
        ("clipped(adamw), sam(clipped(adam, by=block))", None),
        ("scheduled(adam, learning_rate=cosine)", None),
        ("optax:lion, optax.sgd(momentum=0.9)", ["optax.lion", "optax.sgd(momentum=0.9)"]),
        ("lookahead(optax:adam)", ["lookahead(optax.adam)"]),
    ],
)
def test_a_line_is_read_as_tables_print_it(text: str, names: list[str] | None) -> None:
    found = [name_of(rule) for rule in load_contestants(text)]
    if names is None:
        names = [x.replace("'", "") for x in found]
        assert ", ".join(names) == text.replace("),a", "), a")
    else:
        assert found == names
    assert load_contestants(",".join(found)) == load_contestants(text)


def test_what_is_read_is_the_same_object_as_in_code() -> None:
    import optax

    assert load_contestants("clipped(adagrad(flavor=torch)), optax:adamw") == [
        clipped(get("adagrad", flavor="torch")),
        from_optax(optax.adamw),
    ]


UNREADABLE = "bench: `optimizers` must be names of rules, in wrappers or with options; got "


@pytest.mark.parametrize(
    "text",
    ["clipped(adam", "adam(sgd)", "1", "adam(**x)", "rmsprop(centered=x(1))", "own:rule(x=1)"],
)
def test_what_cannot_be_read(text: str) -> None:
    with pytest.raises(BadInput) as caught:
        load_contestants(text)
    assert str(caught.value) == f"{UNREADABLE}{text!r}. {EXAMPLE}"


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("clippd(adam)", "got 'clippd'. Did you mean 'clipped'?"),
        ("clipped", "must be a rule, which a wrapper needs; got clipped. Write clipped(adam)."),
        ("optax:adamm", "got 'optax.adamm'. Did you mean 'optax.adam'?"),
        (
            "optax:chain",
            "must be a factory of gradient transformations; got optax.chain. It raised ValueError: "
            "not enough values to unpack (expected 2, got 0).",
        ),
        ("adamm", "got 'adamm'. Did you mean 'adam'?"),
        ("scheduled(adam, learning_rate=cosin)", "got 'cosin'. Did you mean 'cosine'?"),
        ("rmsprop(centred=True)", "got 'centred'. Did you mean 'centered'?"),
        ("frozen(adam)", "Numbers go to Hyper, or by dotted name to bind and train."),
    ],
)
def test_what_is_not_there(text: str, end: str) -> None:
    with pytest.raises(BadInput) as caught:
        load_contestants(text)
    assert str(caught.value).endswith(end)


OWN = '''
from jaxnn.optimizers import adam

class good:
    """Adam by another name."""

    __name__ = "good"
    Hyper, STRUCTURE, SEARCH_SPACE = adam.Hyper, {}, adam.SEARCH_SPACE
    NEEDS, REVERSE_DIFFERENTIABLE, REFERENCE = adam.NEEDS, True, "mine"
    init, update = staticmethod(adam.init), staticmethod(adam.update)

class uphill(good):
    """Adam the wrong way."""

    @staticmethod
    def update(grads, state, params, hyper):
        updates, state = adam.update(grads, state, params, hyper)
        return {name: -x for name, x in updates.items()}, state
'''


@pytest.fixture
def own(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_rules.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    chosen = {name: contracts.CONTRACTS[name] for name in ("declares", "descends")}
    monkeypatch.setattr(contracts, "CONTRACTS", chosen)  # the others have their own tests


@pytest.mark.usefixtures("own")
def test_a_rule_of_ones_own_is_checked_first() -> None:
    told: list[str] = []
    (rule,) = load_contestants("clipped(own_rules:good)", tell=told.append)
    assert name_of(rule) == "clipped(good)"
    assert told == ["own_rules:good"]
    with pytest.raises(ValueError, match="contracts") as caught:
        load_contestants("sgd,own_rules:uphill")
    assert str(caught.value).startswith(
        "bench: `optimizers` must be a rule that keeps the contracts of "
        "jaxnn.testing.check_optimizer; got own_rules:uphill. uphill: contract `descends`: "
        "`updates` must be negative in sum for gradients of 1; got "
    )
    with pytest.raises(TypeError, match="Hyper, init and update"):
        load_contestants("os:path")


def test_numbers_of_contestants_with_dots_in_their_names() -> None:
    names = ("adam", "optax.adam", "clipped(adam)")
    given = ["adam.b1=0.8", "optax.adam.b2=0.9", "clipped(adam).inner.b1=0.7", "adm.x=1"]
    assert parse_fixed(given, names) == {
        "adam": {"b1": 0.8},
        "optax.adam": {"b2": 0.9},
        "clipped(adam)": {"inner.b1": 0.7},
        "adm": {"x": 1.0},
    }
