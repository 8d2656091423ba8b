"""What decided the status of a fact, as one word of a short list: for counting. Pure.

Facts tell people in a sentence (`scoring.Judgement.reason`, `claims.Weighed.reason`, and those of
synonyms and new types); a sentence has numbers and names in it, a code has none.
"""

from typing import Final

CODES: Final = {
    "person": "a person's verdict",
    "lift": "lift of an intent against all buyers of the type",
    "one_product": "enough lift, but on one product alone",
    "share": "share of a type's buyers",
    "generic": "true of everything",
    "together": "bought together",
    "popular": "bought together no more than its popularity gives",
    "promiscuous": "a product that goes with everything",
    "together_by_type": "share of a type's co-purchases",
    "thin": "too few shoppers",
    "agree": "catalog and text agree",
    "cleaner": "the cleaner's verdict on one source",
    "unsure": "the cleaner is unsure",
    "split": "the cleaner rejects one source of two",
    "conflict": "other values of which there can be only one",
    "synonym_model": "the synonym model's score",
    "no_room": "a synonym that its cluster has no place for",
    "unjudged": "a pair of values that no model has judged",
    "new_type": "a product type that the ontology lacks",
    "other": "a sentence of another version",
}
"""Every code, and what it means."""

_PERSON: Final = ("accepted by ", "rejected by ")
_ENDS: Final = (
    (": too few to tell", "thin"),
    ("but on one product alone", "one_product"),
    ("than its popularity gives", "popular"),
    ("but it goes with everything", "promiscuous"),
    (" agree", "agree"),
    ("that a person keeps apart", "no_room"),
)
_ANY_END: Final = tuple(end for end, _ in _ENDS)
_STARTS: Final = (
    ("lift ", "lift"),
    ("share of buyers ", "share"),
    ("true of everything", "generic"),
    ("bought together ", "together"),
    ("share of co-purchases ", "together_by_type"),
    ("cleaner: ", "cleaner"),
    ("the cleaner is unsure", "unsure"),
    ("the cleaner rejects it from one", "split"),
    ("conflict: ", "conflict"),
    ("synonym model: ", "synonym_model"),
    ("synonym model decides", "unjudged"),
    ("the ontology lacks ", "new_type"),
)


def code_of(reason: str) -> str:
    """The code of a fact's reason, one of `CODES`."""
    if reason.startswith(_PERSON):
        return "person"
    if reason.endswith(_ANY_END):  # of six ends at once, since few reasons have one
        return next(code for end, code in _ENDS if reason.endswith(end))
    for start, code in _STARTS:
        if reason.startswith(start):
            return code
    return "other"
