"""What a model is shown of a text, and how teachers are mixed in. Needs the extra train."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra train")

from models_onnx.bundle import shipped  # noqa: E402
from models_onnx.labels import bio_labels  # noqa: E402
from models_onnx.spans import Text  # noqa: E402
from models_onnx.tagging import teach  # noqa: E402
from models_onnx.tagging.examples import IGNORED, Labelled, Piece  # noqa: E402
from models_onnx.tagging.lessons import KEPT, TRUST, TRUST_TYPE, Desk, Soft, side_by_side  # noqa: E402
from models_onnx.tagging.model import TaggerModel  # noqa: E402
from models_onnx.tagging.teach import Teacher  # noqa: E402
from models_onnx.tokens import Tokens  # noqa: E402

LABELS = bio_labels()
SLUGS = ("", "shoes", "tea")
TOKENS = Tokens.load(shipped("tagging") / "tokenizer.json", max_tokens=64)
ROW = Labelled(
    text="red running shoes",
    kind="query",
    pieces=(Piece(0, 3, "color"), Piece(4, 17, "product_type")),
    source="x",
    node="shoes",
)


def desk() -> Desk:
    return Desk(TOKENS, SLUGS, np.random.default_rng(0))


def soft(words: int) -> Soft:
    """A teacher that is sure of the first KEPT labels in turn, and of tea."""
    columns = np.tile(np.arange(KEPT, dtype=np.int16), (words, 1))
    chances = np.zeros((words, KEPT), np.float16)
    chances[np.arange(words), np.arange(words) % KEPT] = 1
    types = np.array([2, 1, 0, 0, 0, 0], np.int16)
    return Soft(columns, chances, types, np.array([1, 0, 0, 0, 0, 0], np.float16))


def test_a_lesson_without_a_teacher_asks_for_the_labels_alone():
    lesson = desk().lesson(ROW)
    wanted = [LABELS.index(x) for x in ("B-color", "B-product_type", "I-product_type")]
    assert (lesson.labels, lesson.node) == (wanted, 1)
    batch = side_by_side([lesson], len(LABELS), len(SLUGS))
    assert batch.labels.argmax(-1).tolist() == wanted
    assert batch.labels.sum(-1).tolist() == [1.0] * 3
    assert batch.nodes.tolist() == [[0.0, 1.0, 0.0]]


def test_a_teachers_answer_is_mixed_with_the_labels():
    lesson = desk().lesson(ROW, soft=lambda _: soft(3))
    batch = side_by_side([lesson], len(LABELS), len(SLUGS))
    assert batch.labels.sum(-1).tolist() == [1.0] * 3
    assert batch.labels[0, LABELS.index("B-color")] == TRUST
    assert batch.labels[0, 0] == 1 - TRUST
    assert batch.nodes[0].tolist() == pytest.approx([0.0, TRUST_TYPE, 1 - TRUST_TYPE])


def test_where_nobody_labelled_the_teacher_alone_is_asked():
    row = Labelled(text="red running shoes", kind="query", pieces=(), source="x", doubt=1.0)
    alone = desk().lesson(row)
    assert set(alone.labels) == {IGNORED}
    empty = side_by_side([alone], len(LABELS), len(SLUGS))
    assert (len(empty.line), len(empty.typed)) == (0, 0)
    taught = desk().lesson(row, soft=lambda _: soft(3))
    batch = side_by_side([alone, taught], len(LABELS), len(SLUGS))
    assert batch.line.tolist() == [1, 1, 1]
    assert batch.labels.argmax(-1).tolist() == [0, 1, 2]
    assert batch.nodes.tolist() == [[0.0, 0.0, 1.0]]


def test_a_text_that_is_told_its_type_is_not_asked_for_none():
    told = Labelled(text="pack of 6", kind="title", type="tea", pieces=(), source="x", node="")
    assert desk().lesson(told, typed=1.0).node == IGNORED
    assert desk().lesson(told, typed=0.0).node == 0


def test_teachers_are_averaged_and_those_of_hand_labelled_texts_asked_of_these_alone(monkeypatch):
    torch.manual_seed(0)
    asked: list[list[str]] = []

    class Sure(Teacher):
        def __init__(self, column: int, *, by_hand: bool = False) -> None:
            model = TaggerModel(32, 1, len(LABELS), len(SLUGS))
            super().__init__(model, TOKENS, by_hand=by_hand)
            self.column = column

        def chances(self, texts):
            asked.append([text.text for text in texts])
            for number, text in enumerate(texts):
                labels = np.zeros((len(text.text.split()), len(LABELS)), np.float32)
                labels[:, self.column] = 1
                types = np.zeros(len(SLUGS) + KEPT, np.float32)
                types[self.column] = 1
                yield number, labels, types

    texts = [Text("red shoes", "query"), Text("tea", "query"), Text("tea", "query")]
    said = teach.soften([Sure(1), Sure(2), Sure(2, by_hand=True)], texts, [texts[0]])
    assert asked == [["red shoes", "tea"], ["red shoes", "tea"], ["red shoes"]]
    by_column = dict(
        zip(said[texts[0]].labels[0].tolist(), said[texts[0]].label_chances[0], strict=True)
    )
    assert by_column[1] == pytest.approx(1 / 3, abs=1e-3)
    assert by_column[2] == pytest.approx(2 / 3, abs=1e-3)
    tea = first_word(said[texts[1]])
    assert tea[1] == tea[2] == pytest.approx(0.5, abs=1e-3)


def first_word(answer: Soft) -> dict[int, float]:
    return dict(zip(answer.labels[0].tolist(), answer.label_chances[0].tolist(), strict=True))


@pytest.mark.slow
def test_the_loss_falls_when_the_model_learns_the_lessons():
    torch.manual_seed(0)
    model = TaggerModel(TOKENS._tokenizer.get_vocab_size(), 1, len(LABELS), len(SLUGS))
    lessons = [desk().lesson(ROW) for _ in range(4)]
    rng = np.random.default_rng(0)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-3)
    losses = []
    for _ in range(12):
        loss = teach.loss_of(model, lessons, 4, rng)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0] / 2
