"""Rules that look at trials at rungs, by name, and their plain form for manifests and TOML."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, TypeAlias

from jaxnn.errors import bad_type, look_up, shown
from jaxnn.sweeps.population import PopulationBased
from jaxnn.sweeps.stopping import (
    CurveThreshold,
    Hyperband,
    MedianRule,
    StoppingRule,
    SuccessiveHalving,
)

__all__ = ["RULES", "AnyRule", "check_rule", "rule_from_plain", "rule_to_plain"]

AnyRule: TypeAlias = StoppingRule | PopulationBased
"""What `sweeps.run(stop=)` takes."""

RULES: dict[str, Any] = {
    "successive_halving": SuccessiveHalving,
    "hyperband": Hyperband,
    "median_rule": MedianRule,
    "curve_threshold": CurveThreshold,
    "population_based": PopulationBased,
}
"""Rules by the name that a manifest and a TOML file have for them."""


def rule_to_plain(rule: AnyRule) -> dict[str, Any]:
    """A rule of strings and numbers alone.

    >>> rule_from_plain(rule_to_plain(Hyperband(eta=4))) == Hyperband(eta=4)
    True
    """
    if not dataclasses.is_dataclass(rule):
        raise bad_type("sweeps.run", "stop", "a frozen dataclass", shown(rule))
    names = {kind: name for name, kind in RULES.items()}
    own = f"{type(rule).__module__}.{type(rule).__qualname__}"
    fields = {x.name: getattr(rule, x.name) for x in dataclasses.fields(rule)}
    if "at" in fields:
        fields["at"] = [list(pair) for pair in fields["at"]]
    return {"rule": names.get(type(rule), own), **fields}


def rule_from_plain(plain: Mapping[str, Any]) -> AnyRule:
    """The rule of a manifest or a TOML file: {"rule": "hyperband", "eta": 3}.

    Raises ValueError for an unknown name, TypeError for unknown fields.
    """
    fields = dict(plain)
    name = fields.pop("rule", None)
    kind = look_up("sweeps", "stop", name, RULES)
    known = [x.name for x in dataclasses.fields(kind)]
    for field in fields:
        look_up(f"sweeps: {name}", "field", field, dict.fromkeys(known))
    if isinstance(fields.get("at"), Mapping):  # the keys of TOML are strings
        at = fields["at"].items()
        fields["at"] = {int(k) if str(k).isdigit() else k: value for k, value in at}
    return kind(**fields)


def check_rule(stop: Any) -> None:
    """Raises TypeError for what is no rule."""
    if not isinstance(stop, StoppingRule | PopulationBased) or isinstance(stop, type):
        fix = "Pass sweeps.SuccessiveHalving(), for example."
        raise bad_type("sweeps.run", "stop", "a rule of early stopping", shown(stop), fix)
