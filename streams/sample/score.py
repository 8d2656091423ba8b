"""Mark a graph against what was planted: the only reader of `planted.json`."""

from collections.abc import Iterable
from pathlib import Path

import msgspec

from streams.errors import SourceError
from streams.sample.make import PLANTED, Planted
from streams.sample.shop import Bond
from topology.canonical import intent_of, value_of
from topology.facts import ACCEPTED, Fact, parse_node
from topology.ontology import Ontology

Triple = tuple[str, str]  # concept, what is wanted


class Score(msgspec.Struct, frozen=True):
    """How well the graph knows what shoppers want.

    Attributes:
        found: planted associations that the graph accepted, of `planted`.
        believed: decoys that it accepted, of `decoys`.
        accepted: intents of concepts that it accepted in all.
        counts_found, counts_believed: the same for plain co-occurrence: the `accepted` most
            frequent (concept, intent) pairs taken as facts.
        missed: planted associations that are not accepted, in words, with their status.
        wrong: decoys that are.
    """

    planted: int
    found: int
    decoys: int
    believed: int
    accepted: int
    counts_found: int
    counts_believed: int
    missed: list[str]
    wrong: list[str]


def read_planted(folder: Path) -> Planted:
    """The answers of a sample.

    Raises:
        SourceError: the folder holds none.
    """
    try:
        return msgspec.json.decode((folder / PLANTED).read_bytes(), type=Planted)
    except (OSError, msgspec.MsgspecError) as error:
        raise SourceError(
            f"{folder}: no readable {PLANTED} ({error}); make one with `cartograph sample make`"
        ) from error


def score(facts: Iterable[Fact], answers: Planted, ontology: Ontology) -> Score:
    """Compare the intents of concepts among `facts` with the answers."""
    status: dict[Triple, str] = {}
    support: dict[Triple, int] = {}
    for fact in facts:
        if fact.head.startswith("concept:") and fact.tail.startswith("intent:"):
            # The kind is left out: "gym" may be read as a place or as an activity.
            triple = fact.head, parse_node(fact.tail).name
            if status.get(triple) != ACCEPTED:
                status[triple] = fact.status
            support[triple] = support.get(triple, 0) + fact.counts.get("both", 0)
    accepted = {triple for triple, found in status.items() if found == ACCEPTED}
    ranked = sorted(support, key=lambda triple: (-support[triple], triple))
    frequent = set(ranked[: len(accepted)])
    planted = {_triple(bond, ontology): bond for bond in answers.planted}
    decoys = {_triple(bond, ontology): bond for bond in answers.decoys}
    missed = [
        f"{_words(bond)}: {status.get(triple, 'no such fact')}"
        for triple, bond in planted.items()
        if triple not in accepted
    ]
    wrong = [_words(bond) for triple, bond in decoys.items() if triple in accepted]
    return Score(
        planted=len(planted),
        found=len(planted) - len(missed),
        decoys=len(decoys),
        believed=len(wrong),
        accepted=len(accepted),
        counts_found=len(planted.keys() & frequent),
        counts_believed=len(decoys.keys() & frequent),
        missed=missed,
        wrong=wrong,
    )


def _triple(bond: Bond, ontology: Ontology) -> Triple:
    kind = ontology.type_of(bond.kind.replace("-", " "))
    value = value_of(ontology, bond.attribute, bond.value)
    intent = intent_of(ontology, bond.intent, bond.phrase)
    if kind is None or value is None or intent is None:
        raise SourceError(
            f"planted association {_words(bond)} does not fit the ontology: this sample was made "
            "for another one"
        )
    return value.narrows(kind), parse_node(intent).name


def _words(bond: Bond) -> str:
    return f"{bond.kind}[{bond.attribute}={bond.value}] for {bond.intent} {bond.phrase!r}"
