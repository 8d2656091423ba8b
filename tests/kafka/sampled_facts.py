"""Accepted facts of products, drawn to be judged one by one, and how many of them are right.

    python -m tests.kafka.real_input --set icecat --limit 4000 --facts FOLDER [--bundles DIR]
    python -m tests.kafka.sampled_facts draw FOLDER... > sample.jsonl
    python -m tests.kafka.sampled_facts judged sample.jsonl
    python -m tests.kafka.sampled_facts figures FOLDER
    python -m tests.kafka.sampled_facts products FOLDER

`draw` prints what the kept verdicts do not know yet, in a random order that mixes the folders, so
that whoever judges does not know the bundles; the rule is in `models_onnx/QUALITY.md`. `judged`
takes the rows whose `right` was filled in, true or false, into the kept verdicts
(`judged_facts.tsv`: set, relation, fact id, verdict). `figures` is the share that is right among
the facts drawn of a folder; `products` the facts per product, of the catalog alone and with those
that only a text tells.

Facts are drawn by the lowest hash of their id within their stratum: two graphs that share a fact
draw it alike, and a fact is judged once.
"""

import argparse
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

import msgspec

from tests.kafka.kept_facts import Kept, file_of, kept, sets_in
from topology.facts import ACCEPTED, CATALOG, HAS_ATTRIBUTE, HAS_TYPE, SAME_AS, Fact
from topology.scoring import wilson

VERDICTS = Path(__file__).with_name("judged_facts.tsv")
DRAWN = 50
LEAST_SHARE = 0.01
_OTHER = "other"
_Z = 1.96  # 95 %


class Row(msgspec.Struct):
    """A fact as a person judges it; `right` is to be filled in."""

    set: str
    id: str
    head: str
    relation: str
    tail: str
    title: str
    fields: dict[str, list[str]]
    evidence: list[str]
    right: bool | None = None


class Drawn(NamedTuple):
    """A fact, whose product it is, and how many accepted facts of its set it stands for."""

    owner: Kept
    fact: Fact
    weight: float


def is_judged(fact: Fact) -> bool:
    """Whether a record can tell if it is right: accepted types, values and synonyms."""
    relation = fact.relation.partition(":")[0]
    return fact.status == ACCEPTED and relation in (HAS_TYPE, HAS_ATTRIBUTE, SAME_AS)


def by_text_alone(fact: Fact) -> bool:
    """Whether no field of the catalog says so."""
    return CATALOG not in fact.sources


def draw(rows: Iterable[Kept], count: int, seed: int) -> list[Drawn]:
    """About `count` accepted facts: half that the catalog says, half that a text alone does.

    Of each half every relation gives its share, at least one; those below LEAST_SHARE are taken as
    one relation.
    """
    halves: dict[bool, list[tuple[Kept, Fact]]] = {}
    for row in rows:
        for fact in filter(is_judged, row.facts):
            halves.setdefault(by_text_alone(fact), []).append((row, fact))
    found = []
    for half in halves.values():
        for members in _strata(half):
            members.sort(key=lambda one: _place(one[1], seed))
            share = count / len(halves) * len(members) / len(half)
            taken = members[: max(1, round(share))]
            found += [Drawn(row, fact, len(members) / len(taken)) for row, fact in taken]
    return found


def _strata(half: Sequence[tuple[Kept, Fact]]) -> Iterable[list[tuple[Kept, Fact]]]:
    sizes = Counter(fact.relation for _, fact in half)
    strata: dict[str, list[tuple[Kept, Fact]]] = defaultdict(list)
    for row, fact in half:
        rare = sizes[fact.relation] < LEAST_SHARE * len(half)
        strata[_OTHER if rare else fact.relation].append((row, fact))
    return strata.values()


def _place(fact: Fact, seed: int) -> bytes:
    return blake2b(f"{seed} {fact.id}".encode(), digest_size=8).digest()


def read_verdicts(path: Path) -> dict[tuple[str, str], bool]:
    """(set, fact id) -> right."""
    if not path.exists():
        return {}
    lines = (line.split("\t") for line in path.read_text().splitlines())
    return {(name, id_): verdict == "right" for name, _, id_, verdict in lines}


def write_verdicts(rows: Iterable[Row], path: Path) -> int:
    """Add the rows that were judged; how many."""
    lines = set(path.read_text().splitlines()) if path.exists() else set()
    judged = [row for row in rows if row.right is not None]
    for row in judged:
        verdict = "right" if row.right else "wrong"
        lines.add(f"{row.set}\t{row.relation}\t{row.id}\t{verdict}")
    path.write_text("".join(f"{line}\n" for line in sorted(lines)))
    return len(judged)


def to_judge(folders: Sequence[Path], count: int, seed: int) -> Iterator[Row]:
    """What is drawn of the folders and not judged yet, mixed."""
    known, found = read_verdicts(VERDICTS), {}
    for folder in folders:
        for name in sets_in(folder):
            for owner, fact, _ in draw(kept(file_of(folder, name)), count, seed):
                if (name, fact.id) not in known:
                    found[_place(fact, seed + 1)] = _row(name, owner, fact)
    for place in sorted(found):
        yield found[place]


def _row(name: str, owner: Kept, fact: Fact) -> Row:
    evidence = [*fact.evidence.queries, *fact.evidence.fields, *fact.evidence.products]
    return Row(
        name, fact.id, fact.head, fact.relation, fact.tail, owner.title, owner.fields, evidence
    )


class Share(NamedTuple):
    """Weights of the facts that are right and of all, and how many were judged right and at all."""

    right: int
    judged: int
    right_weight: float
    weight: float
    squares: float

    def __str__(self) -> str:
        share = self.right_weight / self.weight
        effective = self.weight**2 / self.squares  # Kish: what unequal weights leave of a sample
        low, high = wilson(share * effective, effective, _Z)
        return f"{share:.3f} [{low:.3f}, {high:.3f}]  {self.right}/{self.judged}"


def share_of(judged: Sequence[tuple[bool, float]]) -> Share:
    """The share of (right, weight) that is right."""
    return Share(
        sum(right for right, _ in judged),
        len(judged),
        sum(weight for right, weight in judged if right),
        sum(weight for _, weight in judged),
        sum(weight * weight for _, weight in judged),
    )


def figures(folder: Path, count: int, seed: int) -> Mapping[str, Share]:
    """Name of a part of the facts drawn -> how many are right.

    Every set counts alike in what is of several sets; within one a fact counts for those it
    stands for.
    """
    known = read_verdicts(VERDICTS)
    parts: dict[str, list[tuple[bool, float]]] = defaultdict(list)
    missing = 0
    for name in sets_in(folder):
        drawn = draw(kept(file_of(folder, name)), count, seed)
        whole = sum(one.weight for one in drawn)
        for _, fact, weight in drawn:
            verdict = known.get((name, fact.id))
            if verdict is None:
                missing += 1
                continue
            told = "text alone" if by_text_alone(fact) else "catalog"
            for part in (
                "all",
                f"all, {told}",
                name,
                f"{name}, {told}",
                f"{fact.relation}, {told}",
            ):
                parts[part].append((verdict, weight / whole))
    if missing:
        print(f"{missing} of the facts drawn are not judged yet: see `draw`", file=sys.stderr)
    return {part: share_of(judged) for part, judged in parts.items()}


def facts_per_product(rows: Iterable[Kept]) -> tuple[int, Mapping[str, tuple[int, int]]]:
    """Products with a title, and by relation: accepted facts with the catalog, by text alone."""
    products, counts = 0, defaultdict[str, list[int]](lambda: [0, 0])
    for row in rows:
        if row.product and row.title:
            products += 1
            for fact in filter(is_judged, row.facts):
                counts[fact.relation][by_text_alone(fact)] += 1
    return products, {name: (one[0], one[1]) for name, one in sorted(counts.items())}


def _show_products(folder: Path) -> None:
    for name in sets_in(folder):
        products, counts = facts_per_product(kept(file_of(folder, name)))
        catalog = sum(one for one, _ in counts.values())
        text = sum(one for _, one in counts.values())
        print(
            f"{name}: {products:,} products; facts per product: {catalog / products:.2f} of the "
            f"catalog, {(catalog + text) / products:.2f} with those of titles"
        )
        for relation, (by_catalog, by_text) in counts.items():
            print(f"  {relation:32} {by_catalog:>8,} {by_text:>8,}")


def main() -> int:
    """What was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("what", choices=["draw", "judged", "figures", "products"])
    parser.add_argument("paths", type=Path, nargs="+", help="folders of facts, or judged rows")
    parser.add_argument("--drawn", type=int, default=DRAWN, help="about so many facts of each set")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    if args.what == "draw":
        for row in to_judge(args.paths, args.drawn, args.seed):
            print(msgspec.json.encode(row).decode())
    elif args.what == "judged":
        lines = (line for path in args.paths for line in path.read_bytes().splitlines())
        rows = (msgspec.json.decode(line, type=Row) for line in lines)
        taken = write_verdicts(rows, VERDICTS)
        print(f"{taken} verdicts taken into {VERDICTS.name}")
    else:
        for folder in args.paths:
            print(f"== {folder.name}")
            if args.what == "products":
                _show_products(folder)
                continue
            for part, share in figures(folder, args.drawn, args.seed).items():
                print(f"  {part:32} {share}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
