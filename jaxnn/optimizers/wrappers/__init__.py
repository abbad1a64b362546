"""Rules made from rules: each takes an optimizer and gives one, with numbers of its own.

One wrapper a file; `base` has what they share, `viewed` what those do whose rule sees another form
of the parameters, `groups` what masks and labels are, `rounding` how numbers lose bits.

Precision. Rules compute in float32, or float64 where gradients or statistics are, and keep their
statistics in it; `describe(rule, params).state_dtypes` says what is kept in what. For the rest,

    stored(rule, "bfloat16")                        statistics in half the memory
    stored(rule, "bfloat16", fields=("mean",))      of Adam the mean alone, the usual compromise
    stored(rule, rounding="stochastic")             all of them, and still moving
    rounded(rule)                                   parameters in bfloat16 or float16, compensated
    rounded(rule, "stochastic")                     the same without memory, with a key
    split_complex(rule)                             complex parameters for any rule

of which `rounded` belongs around what changes updates (clipped, decayed, cautious) and inside what
watches parameters (averaged) or chooses leaves (partitioned). Rules that declare COMPLEX take
complex parameters as they are; all others refuse them.
"""

from jaxnn.optimizers.wrappers.accumulated import Accumulated, accumulated
from jaxnn.optimizers.wrappers.adaptive_clipped import AdaptiveClipped, adaptive_clipped
from jaxnn.optimizers.wrappers.averaged import Averaged, averaged
from jaxnn.optimizers.wrappers.cautious import Cautious, cautious
from jaxnn.optimizers.wrappers.centralized import Centralized, centralized
from jaxnn.optimizers.wrappers.clipped import Clipped, clipped
from jaxnn.optimizers.wrappers.decayed import Decayed, decayed
from jaxnn.optimizers.wrappers.flattened import Flattened, flattened
from jaxnn.optimizers.wrappers.frozen import Frozen, frozen
from jaxnn.optimizers.wrappers.lookahead import Lookahead, lookahead
from jaxnn.optimizers.wrappers.mechanize import Mechanize, mechanize
from jaxnn.optimizers.wrappers.partitioned import Partitioned, partitioned
from jaxnn.optimizers.wrappers.reduce_on_plateau import ReduceOnPlateau, reduce_on_plateau
from jaxnn.optimizers.wrappers.regularized import Regularized, regularized
from jaxnn.optimizers.wrappers.rounded import Rounded, rounded
from jaxnn.optimizers.wrappers.sam import Sam, sam
from jaxnn.optimizers.wrappers.schedule_free import ScheduleFree, schedule_free
from jaxnn.optimizers.wrappers.scheduled import (
    Scheduled,
    ScheduledHyper,
    ScheduledState,
    scheduled,
)
from jaxnn.optimizers.wrappers.skip_non_finite import SkipNonFinite, skip_non_finite
from jaxnn.optimizers.wrappers.split_complex import SplitComplex, split_complex
from jaxnn.optimizers.wrappers.stored import Stored, stored

__all__ = [
    "Accumulated",
    "AdaptiveClipped",
    "Averaged",
    "Cautious",
    "Centralized",
    "Clipped",
    "Decayed",
    "Flattened",
    "Frozen",
    "Lookahead",
    "Mechanize",
    "Partitioned",
    "ReduceOnPlateau",
    "Regularized",
    "Rounded",
    "Sam",
    "ScheduleFree",
    "Scheduled",
    "ScheduledHyper",
    "ScheduledState",
    "SkipNonFinite",
    "SplitComplex",
    "Stored",
    "accumulated",
    "adaptive_clipped",
    "averaged",
    "cautious",
    "centralized",
    "clipped",
    "decayed",
    "flattened",
    "frozen",
    "lookahead",
    "mechanize",
    "partitioned",
    "reduce_on_plateau",
    "regularized",
    "rounded",
    "sam",
    "schedule_free",
    "scheduled",
    "skip_non_finite",
    "split_complex",
    "stored",
]
