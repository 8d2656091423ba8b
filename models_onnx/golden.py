"""Golden inputs: what a bundle answered when it was released, for telling that it still does.

`golden.jsonl` in the bundle, a line each: {"task", "question", "answer"}. A bundle that is loaded
anew, on another machine or device, must give these answers before it is put to work.

Scores may move by TOLERANCE (another processor rounds int8 products otherwise); spans may not, and
a verdict only where the score is within TOLERANCE of the one expected. `made` leaves out answers
that hang by less than SURE, so that rounding never fails a sound bundle.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

import msgspec

from models_onnx.errors import BundleError
from models_onnx.spans import Claim, Judged, Tagged, Text, ValuePair

GOLDEN_FILE = "golden.jsonl"
TOLERANCE = 0.1
SURE = 0.7

Task = Literal["tagging", "cleaning", "synonyms"]
Question = Text | Claim | ValuePair
Answer = Tagged | Judged

_QUESTIONS: dict[str, type[Question]] = {"tagging": Text, "cleaning": Claim, "synonyms": ValuePair}


class Golden(msgspec.Struct, frozen=True):
    """One question and the answer it had."""

    task: Task
    question: Question
    answer: Answer


class _Line(msgspec.Struct, forbid_unknown_fields=True):
    task: Task
    question: dict[str, Any]
    answer: list[Any]


class _Tags(Protocol):
    def tag(self, texts: Sequence[Text]) -> list[Tagged]: ...


class _Judges(Protocol):
    def judge(self, claims: Sequence[Claim]) -> list[Judged]: ...


class _Matches(Protocol):
    def match(self, pairs: Sequence[ValuePair]) -> list[Judged]: ...


Model = _Tags | _Judges | _Matches


def write(folder: Path, goldens: Sequence[Golden]) -> Path:
    """Write `golden.jsonl` into a bundle's folder."""
    path = folder / GOLDEN_FILE
    path.write_bytes(b"".join(msgspec.json.encode(golden) + b"\n" for golden in goldens))
    return path


def read(folder: Path) -> list[Golden]:
    """The golden inputs of the bundle in `folder`, [] where it has none.

    Raises:
        BundleError: the file is cut off or not of this format.
    """
    path = folder / GOLDEN_FILE
    if not path.exists():
        return []
    try:
        return [_golden(line) for line in path.read_bytes().splitlines()]
    except (OSError, msgspec.MsgspecError) as error:
        raise BundleError(f"{path} cannot be read ({error}); fetch the bundle again") from error


def made(task: Task, model: Model, questions: Sequence[Question]) -> list[Golden]:
    """The questions with this model's answers, without those it is unsure of."""
    answers = _ask(task, model, questions)
    goldens = [Golden(task, q, a) for q, a in zip(questions, answers, strict=True)]
    return [golden for golden in goldens if _is_sure(golden.answer)]


def verify(model: Model, goldens: Sequence[Golden]) -> None:
    """See that `model` answers all of `goldens` as it should; none is no proof and passes.

    Raises:
        BundleError: says the first question that it answers otherwise, and both answers.
    """
    for task in dict.fromkeys(golden.task for golden in goldens):
        asked = [golden for golden in goldens if golden.task == task]
        answers = _ask(task, model, [golden.question for golden in asked])
        for golden, answer in zip(asked, answers, strict=True):
            if not _equal(golden.answer, answer):
                raise BundleError(
                    f"golden input {golden.question} was answered {_shown(answer)}, at its release "
                    f"{_shown(golden.answer)}: the bundle does not do here what it did there; "
                    "fetch it again, or export it for this device"
                )


def _golden(line: bytes) -> Golden:
    read = msgspec.json.decode(line, type=_Line)
    question = msgspec.convert(read.question, _QUESTIONS[read.task])
    kind: type[Answer] = Tagged if read.task == "tagging" else Judged
    return Golden(read.task, question, msgspec.convert(read.answer, kind))


def _ask(task: Task, model: Model, questions: Sequence[Question]) -> Sequence[Answer]:
    name = {"tagging": "tag", "cleaning": "judge", "synonyms": "match"}[task]
    ask = getattr(model, name, None)
    if ask is None:
        raise BundleError(f"golden inputs for {task} are of another model; fetch the bundle again")
    answers: Sequence[Answer] = ask(questions)
    return answers


def _is_sure(answer: Answer) -> bool:
    if isinstance(answer, Tagged):
        return bool(answer.spans) and min(span.score for span in answer.spans) >= SURE
    return max(answer.score, 1 - answer.score) >= SURE


def _equal(wanted: Answer, found: Answer) -> bool:
    if isinstance(wanted, Judged) or isinstance(found, Judged):
        if not (isinstance(wanted, Judged) and isinstance(found, Judged)):
            return False
        return abs(wanted.score - found.score) <= TOLERANCE
    return len(wanted.spans) == len(found.spans) and all(
        (a.start, a.end, a.label, a.text) == (b.start, b.end, b.label, b.text)
        and abs(a.score - b.score) <= TOLERANCE
        for a, b in zip(wanted.spans, found.spans, strict=True)
    )


def _shown(answer: Answer) -> str:
    if isinstance(answer, Judged):
        return f"{answer.verdict} ({answer.score:.3f})"
    return ", ".join(f"{s.text!r} {s.label} ({s.score:.3f})" for s in answer.spans) or "no span"
