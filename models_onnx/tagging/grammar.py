"""Writes labelled queries and titles from the lexicon: the intents that real sets hardly label.

Word order, prepositions and typos vary; most phrases are put together at random from the
department and from the general lists, so that the context and not the phrase has to carry.
"""

import random
from collections.abc import Iterator, Sequence

import msgspec

from models_onnx.labels import INTENTS
from models_onnx.spans import Kind
from models_onnx.tagging import noise, sizes
from models_onnx.tagging.examples import Labelled, Piece
from models_onnx.tagging.lexicon import Department, Lexicon, plural, singular, writing
from models_onnx.tagging.splits import held_out


class Segment(msgspec.Struct, frozen=True):
    """A piece of a text to be, with its label or None."""

    text: str
    label: str | None = None


class Writer:
    """Writes texts of one split: training phrases only, or at least one held-out phrase in each."""

    def __init__(
        self,
        lexicon: Lexicon,
        rng: random.Random,
        *,
        brands: Sequence[str],
        more_types: Sequence[str] = (),
        unseen: bool = False,
    ) -> None:
        """Take real brand names, and names of product types beyond the lexicon's."""
        self._lexicon = lexicon
        self._rng = rng
        self._unseen = unseen
        self._brands = self._allowed("brand", brands)
        self._types = self._allowed("product_type", more_types)
        self._general = {k: self._allowed(k, v) for k, v in lexicon.general.items()}
        self._parts = {
            (k, name): self._allowed(f"{k}.{name}", v)
            for k, lists in lexicon.parts.items()
            for name, v in lists.items()
        }
        self._fits = {
            (d.name, k): self._allowed(k, v) for d in lexicon.departments for k, v in d.fits.items()
        }
        self._department_types = {
            d.name: self._allowed("product_type", d.types) for d in lexicon.departments
        }

    def write(self, count: int, *, queries: float = 0.7) -> Iterator[Labelled]:
        """`count` texts, this share of them queries."""
        for _ in range(count):
            query = self._rng.random() < queries
            department = self._rng.choice(self._lexicon.departments)
            kind = self._type(department)
            segments = self._query(department, kind) if query else self._title(department, kind)
            yield self._finish(segments, kind, "query" if query else "title")

    def _allowed(self, label: str, values: Sequence[str]) -> list[str]:
        """Training values; or, for the unseen split, only held-out ones where there are any."""
        part = [v for v in values if held_out(label, v) == self._unseen]
        return part or [v for v in values if not held_out(label, v)] or list(values)

    def _type(self, department: Department) -> str:
        rng = self._rng
        if self._types and rng.random() < 0.3:
            return rng.choice(self._types)
        return rng.choice(self._department_types[department.name])

    def _phrase(self, label: str, department: Department) -> str:
        rng = self._rng
        fits = self._fits.get((department.name, label))
        chance = rng.random()
        if fits and chance < 0.5:
            return rng.choice(fits)
        if label in INTENTS and chance > 0.75:
            composed = self._compose(label)
            if composed:
                return composed
        if label == "size":
            return sizes.phrase(rng, department.size)
        if label == "quantity":
            return sizes.phrase(rng, "quantity")
        if label == "model":
            return noise.model_name(rng)
        if label == "brand":
            return rng.choice(self._brands) if rng.random() < 0.6 else noise.brand_name(rng)
        return rng.choice(self._general[label])

    def _segment(self, label: str, department: Department) -> Segment:
        phrase = self._phrase(label, department)
        return _model(phrase) if label == "model" else Segment(phrase, label)

    def _compose(self, label: str) -> str | None:
        rng, parts = self._rng, self._parts
        for first, second in (
            ("who", "person"),
            ("doing", "what"),
            ("verb", "thing"),
            ("adjective", "place"),
            ("adjective", "part"),
        ):
            if (label, second) in parts and (label, first) in parts:
                return f"{rng.choice(parts[label, first])} {rng.choice(parts[label, second])}"
        return None

    def _query(self, department: Department, kind: str) -> list[Segment]:
        rng = self._rng
        core = [Segment(self._inflected(kind), "product_type")]
        if rng.random() < 0.06:
            core = [
                Segment(
                    rng.choice(("gift", "gifts", "gift ideas", "present", "presents")),
                    "product_type",
                )
            ]
        elif rng.random() < 0.05:
            core = (
                [Segment(rng.choice(writing("phrases")["no_type"]))] if rng.random() < 0.6 else []
            )
        before: list[Segment] = []
        after: list[Segment] = []
        for label in rng.sample(
            department.has, min(len(department.has), rng.choice((0, 0, 1, 1, 2)))
        ):
            segment = self._segment(label, department)
            if label in (
                "brand",
                "color",
                "material",
                "pattern",
                "style",
                "shape",
                "condition",
                "feature",
                "theme",
                "origin",
                "era",
            ):
                (before if rng.random() < 0.8 else after).append(segment)
            else:
                (before if rng.random() < 0.3 else after).append(segment)
        intents = sorted(INTENTS | {"compatibility", "feature"})
        labels = [k for k in intents if k in department.fits] if rng.random() < 0.8 else intents
        for label in rng.sample(labels, rng.choice((0, 1, 1, 1, 1, 2))):
            self._place_intent(Segment(self._phrase(label, department), label), before, after)
        rng.shuffle(before)
        segments = [*before, *core, *after]
        if rng.random() < 0.18:
            segments.insert(0, Segment(rng.choice(writing("phrases")["opening"])))
        if rng.random() < 0.06:
            segments.append(Segment(rng.choice(writing("phrases")["closing"])))
        return [Segment(noise.misspell(rng, s.text, s.label), s.label) for s in segments]

    def _place_intent(self, intent: Segment, before: list[Segment], after: list[Segment]) -> None:
        rng, label = self._rng, intent.label or ""
        chance = rng.random()
        if label == "feature" and chance > 0.55:
            self._place_clause(after)
        elif chance < 0.27:
            before.append(intent)
        elif chance < 0.39:
            after.append(intent)
        elif chance < 0.42:
            before[:0] = [Segment("for"), intent]
        else:
            after += [Segment(rng.choice(writing("before")[label])), intent]
            if label == "audience" and rng.random() < 0.06:
                activity = rng.choice(self._general["activity"])
                after += [
                    Segment(rng.choice(("who love", "who loves", "that like", "who do"))),
                    Segment(activity, "activity"),
                ]

    def _place_clause(self, after: list[Segment]) -> None:
        rng = self._rng
        name = rng.choice(("having", "having", "without", "that"))
        phrase = rng.choice(self._parts["feature", name])
        if name == "without":
            after.append(Segment(f"without {phrase}", "exclusion"))
        else:
            after += [Segment("with" if name == "having" else "that"), Segment(phrase, "feature")]

    def _title(self, department: Department, kind: str) -> list[Segment]:
        rng = self._rng
        shape = rng.random()
        if shape < 0.2:
            return self._plain_title(department, kind)
        segments: list[Segment] = []
        if shape < 0.85:
            segments.append(Segment(self._phrase("brand", department), "brand"))
        if rng.random() < 0.2:
            segments.append(Segment(rng.choice(writing("phrases")["puff"])))
        if rng.random() < 0.25:
            segments.append(_model(noise.model_name(rng)))
        has = [k for k in department.has if k not in ("brand", "model", "price")]
        tail: list[list[Segment]] = []
        for label in rng.sample(has, min(len(has), rng.choice((1, 2, 2, 3, 3, 4)))):
            segment = self._segment(label, department)
            if rng.random() < 0.55:
                segments.append(segment)
            else:
                tail.append([segment])
        segments.append(Segment(self._inflected(kind), "product_type"))
        self._title_intents(department, segments, tail)
        rng.shuffle(tail)
        for part in tail:
            mark = rng.choice((",", ",", ",", "-", "|", "(", ""))
            segments += [Segment(mark), *part, *([Segment(")")] if mark == "(" else [])]
        return segments

    def _plain_title(self, department: Department, kind: str) -> list[Segment]:
        """As fashion shops and gift shops write: brand or none, then adjectives, then the type."""
        rng = self._rng
        segments = []
        if rng.random() < 0.5:
            segments += [
                Segment(self._phrase("brand", department), "brand"),
                Segment(self._phrase("audience", department), "audience"),
            ]
        elif rng.random() < 0.3:
            segments.append(Segment(self._phrase("quantity", department), "quantity"))
        free = (
            "occasion",
            "style",
            "shape",
            "pattern",
            "material",
            "color",
            "season",
            "feature",
            "theme",
        )
        chosen = rng.sample(free, rng.choice((1, 1, 2, 2, 3)))
        segments += [Segment(self._phrase(k, department), k) for k in chosen]
        return [*segments, Segment(self._inflected(kind), "product_type")]

    def _title_intents(
        self, department: Department, segments: list[Segment], tail: list[list[Segment]]
    ) -> None:
        rng = self._rng
        intents = [k for k in sorted(INTENTS | {"compatibility"}) if k in department.fits]
        for label in rng.sample(intents, rng.choice((0, 0, 1, 1, 2))):
            segment = Segment(self._phrase(label, department), label)
            if rng.random() < 0.2:
                segments.insert(len(segments) - 1, segment)
            elif rng.random() < 0.75:
                segments += [Segment(rng.choice(writing("phrases")["title_before"])), segment]
            else:
                tail.append([segment])

    def _inflected(self, kind: str) -> str:
        return self._rng.choice((kind, plural(kind), singular(kind)))

    def _finish(self, segments: list[Segment], kind: str, what: Kind) -> Labelled:
        rng = self._rng
        text, pieces = "", []
        for segment in segments:
            words = segment.text.strip()
            if not words:
                continue
            tight = words in (",", ")") or not text or text.endswith("(")
            text += "" if tight else " "
            if segment.label is not None:
                pieces.append(Piece(len(text), len(text) + len(words), segment.label))
            text += words
        if what == "title" and rng.random() < 0.7:
            text = noise.title_case(text)
        hint = kind if rng.random() < (0.5 if what == "title" else 0.1) else ""
        return Labelled(
            text=text, kind=what, type=hint, pieces=tuple(pieces), source=f"grammar-{what}"
        )


def _model(name: str) -> Segment:
    """A model's segment: one word with a digit in it is a part number, not a name."""
    number = " " not in name and any(letter.isdigit() for letter in name)
    return Segment(name, "part_number" if number else "model")
