"""What totals say of a fact: intervals, thresholds, status. Pure functions of counts.

Rules 5 and 9 of DESIGN: every status is a view over totals, computed again when they change, and
between the thresholds a fact is held. Best-sellers and thin evidence must not win, so all scores
are lower bounds of intervals:

- an intent of a concept, ⟨T[a=v], relation, intent⟩, by the log-odds of the value among buyers of
  T who asked for the intent against all buyers of T, both smoothed towards the base rate;
- an intent of a type by the share of its buyers who asked for it (Wilson), unless it is generic:
  frequency x entropy over the values of the type, as in COSMO;
- a co-purchase by Ochiai's coefficient (Wilson bounds of both shares), and by lift against what
  the partner's own popularity among all partners would give.

Sources: Monroe, Colaresi, Quinn 2008 (log-odds, informative prior); Wilson 1927; Ochiai 1957.
"""

from dataclasses import dataclass
from functools import lru_cache
from math import exp, log, sqrt
from typing import Final, NamedTuple

from topology.facts import ACCEPTED, HELD, REJECTED, Status

STEP_BITS: Final = 6
_FIXED: Final = 1 << 20
_PRODUCTS_SAMPLED: Final = 3  # of every total, by its sender
_ABOVE_ZERO: Final = (
    *("z", "prior", "floor", "lift_reject", "score_steps", "block", "min_products"),
    "type_support",
)


@dataclass(frozen=True, slots=True)
class ScoringSettings:
    """Thresholds of the views; another set is another graph (rule 6).

    Attributes:
        z: standard errors between estimate and bound. Against `lift_accept` it is one test at
            3.6 %; against *no* effect it is z + ln(lift_accept) / error, 2.8 (0.25 %) at the error
            of 30 shoppers (0.4), and that is what the thousands of pairs of a type and an intent
            need that are tested at once. Chosen on six sample shops through all stages (seeds 201
            to 206, 50 planted and 50 decoys each): 2.0 accepted 38 to 47 planted and no decoy, 1.8
            42 to 47 and no decoy with 15 % more facts in all, 1.5 one decoy.
        prior: pseudo-shoppers at the base rate that smooth an intent's share of a value.
        floor: shoppers below which no fact of behaviour is made.
        min_support: shoppers that a fact of behaviour needs to be accepted.
        lift_accept: accepted if the odds are at least this many times the base odds.
        lift_reject: rejected if they are at most this many times the base odds.
        min_products: different products an intent of a concept must have been seen on. One product
            alone cannot tell which of its values is the reason.
        share_accept: of a type's buyers that ask for an intent of the whole type.
        share_reject: of a type's buyers, at most; rarer intents are not typical of the type.
        generic: share x entropy (nats) from which an intent is true of everything.
        ochiai_accept: lower bound of a co-purchase.
        ochiai_reject: upper bound of one.
        co_lift: odds of the partner among all partners, times its popularity there, at least.
        promiscuous_types: effective number of partner types from which a product goes with
            everything.
        co_type_accept: lower bound of the share of a type's co-purchases.
        co_type_reject: upper bound of it.
        agree_accept: score of two sources together from which their agreement is accepted.
        alike: similarity from which two values may be synonyms, 0..1.
        block: values that are compared with each other at once, at most.
        type_support: products whose titles name a product type that the ontology lacks, from which
            it is put before people (`topology.phrases`). Two: what one title says alone is as
            often a slip of the tagger as a type.
        score_steps: an accepted fact is published at once when its score moves by 1/score_steps.
    """

    z: float = 1.8
    prior: float = 2.0
    floor: float = 2.0
    min_support: float = 5.0
    lift_accept: float = 1.5
    lift_reject: float = 1.2
    min_products: int = 2
    share_accept: float = 0.05
    share_reject: float = 0.01
    generic: float = 1.0
    ochiai_accept: float = 0.05
    ochiai_reject: float = 0.02
    co_lift: float = 1.2
    promiscuous_types: float = 12.0
    co_type_accept: float = 0.05
    co_type_reject: float = 0.01
    agree_accept: float = 0.75
    alike: float = 0.88
    block: int = 200
    type_support: int = 2
    score_steps: int = 20

    def __post_init__(self) -> None:
        for name in _ABOVE_ZERO:
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} is {getattr(self, name)}: use a number above 0")
        if self.min_products > _PRODUCTS_SAMPLED:
            raise ValueError(f"min_products is {self.min_products}: evidence samples hold three")
        for low, high in (
            ("lift_reject", "lift_accept"),
            ("share_reject", "share_accept"),
            ("ochiai_reject", "ochiai_accept"),
            ("co_type_reject", "co_type_accept"),
        ):
            if getattr(self, low) > getattr(self, high):
                raise ValueError(f"{low} is above {high}: what is between the two is held")


class Judgement(NamedTuple):
    """What a view makes of its counts.

    Attributes:
        status: accepted, held or rejected.
        score: what decided, 0..1.
        because: what decided, in a word; `reason` says it in full.
        estimate, low, high: lift, share or coefficient with its bounds.
        support: shoppers (weight) behind it.
    """

    status: Status
    score: float
    because: str
    estimate: float = 0.0
    low: float = 0.0
    high: float = 0.0
    support: float = 0.0

    def mark(self, steps: int) -> int:
        """A number, 1 or more: when it changes, the fact is published at once.

        It changes with the status and, of an accepted fact, with the step of the score; how unsure
        a held fact is may wait for a quiet moment, nobody is served it as true.
        """
        if self.status == ACCEPTED:
            return 3 + int(self.score * steps)
        return 1 if self.status == HELD else 2

    @property
    def reason(self) -> str:
        """For people: "lift 2.41 (1.62 to 3.60) over 18 shoppers"."""
        over = f" over {self.support:g} shoppers"
        bounds = f"{self.estimate:.3g} ({self.low:.3g} to {self.high:.3g})"
        return _WORDS[self.because].format(bounds=bounds, over=over)


_WORDS: Final = {
    "lift": "lift {bounds}{over}",
    "one product": "lift {bounds}{over}, but on one product alone",
    "share": "share of buyers {bounds}{over}",
    "generic": "true of everything: share of buyers {bounds}{over}, spread over all values",
    "together": "bought together {bounds}{over}",
    "popular": "bought together {bounds}{over}, no more than its popularity gives",
    "promiscuous": "bought together {bounds}{over}, but it goes with everything",
    "together by type": "share of co-purchases {bounds}{over}",
    "thin": "{bounds}{over}: too few to tell",
}


def step(n: int, bits: int = STEP_BITS) -> int:
    """The count as scores see it when it is a marginal: exact to 2**bits, then its top `bits` bits.

    So a marginal that doubles moves 2**(bits - 1) times, and the facts that lean on it are scored
    again as often: the cost of a total does not grow with the graph. At 6 bits a count is at most
    3 % too low, which moves a log-odds by less than 0.04.
    """
    shift = n.bit_length() - bits
    return n if shift <= 0 else n >> shift << shift


@lru_cache(maxsize=1 << 16)
def spread_of(n: int) -> int:
    """n ln n in fixed point: whole numbers add up to the same in any order, floats do not."""
    return round(n * log(n) * _FIXED) if n > 1 else 0


def entropy(total: int, spread: int) -> float:
    """Entropy in nats of counts that add up to `total` and whose `spread_of` to `spread`."""
    return max(log(total) - spread / (_FIXED * total), 0.0) if total > 0 else 0.0


def wilson(part: float, whole: float, z: float) -> tuple[float, float]:
    """Wilson's score interval of the share part / whole, both bounds in 0..1."""
    if whole <= 0:
        return 0.0, 1.0
    share = min(part / whole, 1.0)
    square = z * z / whole
    middle = share + square / 2
    width = z * sqrt(share * (1 - share) / whole + square / (4 * whole))
    low, high = (middle - width) / (1 + square), (middle + width) / (1 + square)
    return min(max(low, 0.0), share), max(min(high, 1.0), share)  # exact at shares of 0 and 1


def lift_interval(
    both: float, asked: float, value: float, everything: float, *, prior: float, z: float
) -> tuple[float, float, float]:
    """Log of how many times the odds of the value are its base odds: estimate, low, high.

    Args:
        both: weight of those who asked and took the value; more than `asked` counts as `asked`.
        asked: weight of those who asked.
        value: of everybody, those who took the value.
        everything: everybody.
        prior: pseudo-observations at the base rate on the side of those who asked.
        z: standard errors to each side.
    """
    value = min(value, everything)
    base = (value + 0.5) / (everything + 1)
    took = min(both, asked) + prior * base
    left = max(asked - both, 0.0) + prior * (1 - base)
    all_took, all_left = value + 0.5, everything - value + 0.5
    estimate = log(took * all_left / (left * all_took))
    width = z * sqrt(1 / took + 1 / left + 1 / all_took + 1 / all_left)
    return estimate, estimate - width, estimate + width


def ochiai_interval(both: float, left: float, right: float, z: float) -> tuple[float, float, float]:
    """Ochiai's both / sqrt(left * right), and bounds from Wilson's of both shares."""
    left, right = max(left, both), max(right, both)
    low_left, high_left = wilson(both, left, z)
    low_right, high_right = wilson(both, right, z)
    return both / sqrt(left * right), sqrt(low_left * low_right), sqrt(high_left * high_right)


def judge_concept(
    both: float, asked: float, value: int, bought: int, settings: ScoringSettings
) -> Judgement:
    """An intent of a type narrowed by a value, from its four counts (DESIGN, "On scoring").

    The score is low / (1 + low) of the lift's lower bound: 0.5 where there is no effect.
    """
    estimate, low, high = lift_interval(
        both, asked, value, bought, prior=settings.prior, z=settings.z
    )
    estimate, low, high = exp(estimate), exp(low), exp(high)
    status: Status = HELD
    because = "lift"
    if low >= settings.lift_accept:
        if both >= settings.min_support:
            status = ACCEPTED
        else:
            because = "thin"
    elif high < settings.lift_reject:
        status = REJECTED
    return Judgement(status, round(low / (1 + low), 4), because, estimate, low, high, both)


def judge_type(
    asked: float, bought: int, spread_total: int, spread: int, settings: ScoringSettings
) -> Judgement:
    """An intent of a whole type: the share of its buyers who asked for it, if it says anything.

    Args:
        asked: weight of the buyers who asked for it.
        bought: the type's purchases.
        spread_total: sum of its counts over the values of the type.
        spread: sum of their `spread_of`.
        settings: thresholds.
    """
    low, high = wilson(asked, bought, settings.z)
    share = min(asked / bought, 1.0) if bought else 0.0
    status: Status = HELD
    because = "share"
    if share * entropy(spread_total, spread) >= settings.generic:
        status, because = REJECTED, "generic"
    elif low >= settings.share_accept and asked >= settings.min_support:
        status = ACCEPTED
    elif high < settings.share_reject:
        status = REJECTED
    return Judgement(status, round(low, 4), because, share, low, high, asked)


class Partners(NamedTuple):
    """All that one product, or type, was bought with.

    Attributes:
        bought: purchases of the product itself.
        together: co-purchases with all partners.
        popularity: purchases of all its partners, added up.
        promiscuous: its partners are of too many types.
    """

    bought: int
    together: int
    popularity: int
    promiscuous: bool


def judge_together(
    both: int, partner_bought: int, partners: Partners, settings: ScoringSettings
) -> Judgement:
    """Whether two products belong together, as the owner of the first sees it."""
    z = settings.z
    estimate, low, high = ochiai_interval(both, partners.bought, partner_bought, z)
    status: Status = HELD
    because = "together"
    if partners.promiscuous:
        status, because = REJECTED, "promiscuous"
    elif high < settings.ochiai_reject:
        status = REJECTED
    elif low >= settings.ochiai_accept and both >= settings.min_support:
        _, lift, _ = lift_interval(
            both,
            partners.together,
            partner_bought,
            max(partners.popularity, partner_bought),
            prior=settings.prior,
            z=z,
        )
        if partners.popularity <= partner_bought or lift >= log(settings.co_lift):
            status = ACCEPTED  # an only partner has nothing to be compared with
        else:
            because = "popular"
    return Judgement(status, round(low, 4), because, estimate, low, high, both)


def is_promiscuous(together: int, spread: int, settings: ScoringSettings) -> bool:
    """Whether partner types (counts adding up to `together`) are effectively too many.

    The effective number is exp(entropy): 10 types evenly are 10, 10 types of which one has nearly
    all co-purchases are little more than 1. It cannot exceed the number of co-purchases, so a
    product with few of them is never called promiscuous.
    """
    return together > 0 and exp(entropy(together, spread)) >= settings.promiscuous_types


def judge_types_together(
    both: int, together: int, bought: int, other_bought: int, settings: ScoringSettings
) -> Judgement:
    """Whether products of two types are bought together.

    Ochiai's coefficient where the other type's purchases are known, else the share of the first
    type's co-purchases (`other_bought` 0).
    """
    if other_bought > 0:
        estimate, low, high = ochiai_interval(both, bought, other_bought, settings.z)
        because = "together"
    else:
        low, high = wilson(both, together, settings.z)
        estimate, because = min(both / together, 1.0) if together else 0.0, "together by type"
    status: Status = HELD
    if low >= settings.co_type_accept and both >= settings.min_support:
        status = ACCEPTED
    elif high < settings.co_type_reject:
        status = REJECTED
    return Judgement(status, round(low, 4), because, estimate, low, high, both)
