"""Golden inputs: a model that answers otherwise than at its release is found out."""

import msgspec
import pytest

from models_onnx import golden, release
from models_onnx.errors import BundleError
from models_onnx.fakes import FakeCleaner, FakeTagger
from models_onnx.spans import Claim, Judged, Text, ValuePair

LEXICON = {"color": ["red", "blue"], "product_type": ["shoes", "mug"]}
TEXTS = [Text("red shoes", "query"), Text("Blue mug, 2 pcs", "title"), Text("nothing", "title")]
CLAIMS = [Claim("red shoes", "shoes", "color", "red"), Claim("", "shoes", "color", "mug")]


class FakeMatcher:
    def match(self, pairs):
        return [Judged(1.0 if p.a == p.b else 0.0, "accepted") for p in pairs]


def test_what_was_made_is_read_back_and_holds(tmp_path):
    tagger, cleaner = FakeTagger(LEXICON), FakeCleaner(LEXICON)
    for task, model, questions in (
        ("tagging", tagger, TEXTS),
        ("cleaning", cleaner, CLAIMS),
        ("synonyms", FakeMatcher(), [ValuePair("a", "a"), ValuePair("a", "b", "color")]),
    ):
        made = golden.made(task, model, questions)
        golden.write(tmp_path, made)
        assert golden.read(tmp_path) == made
        assert made
        golden.verify(model, made)


def test_a_text_without_an_answer_proves_nothing_and_is_left_out():
    made = golden.made("tagging", FakeTagger(LEXICON), TEXTS)
    assert [one.question for one in made] == TEXTS[:2]


def test_another_span_is_found_out():
    made = golden.made("tagging", FakeTagger(LEXICON), TEXTS)
    other = FakeTagger({"color": ["red"], "product_type": ["shoes", "mug"]})
    with pytest.raises(BundleError, match=r"Blue mug.*at its release 'Blue' color"):
        golden.verify(other, made)


@pytest.mark.parametrize(("moved", "holds"), [(0.05, True), (0.2, False)])
def test_a_score_may_move_a_little(moved, holds):
    (one,) = golden.made("cleaning", FakeCleaner(LEXICON), CLAIMS[:1])
    answer = Judged(one.answer.score - moved, one.answer.verdict)
    asked = [msgspec.structs.replace(one, answer=answer)]
    if holds:
        golden.verify(FakeCleaner(LEXICON), asked)
    else:
        with pytest.raises(BundleError, match="was answered accepted"):
            golden.verify(FakeCleaner(LEXICON), asked)


def test_a_model_of_another_task_is_found_out():
    made = golden.made("tagging", FakeTagger(LEXICON), TEXTS)
    with pytest.raises(BundleError, match="of another model"):
        golden.verify(FakeCleaner(LEXICON), made)


@pytest.mark.parametrize("line", [b"{", b'{"task": "tagging"}', b'{"task": "x"}'])
def test_a_damaged_file_is_refused(tmp_path, line):
    (tmp_path / golden.GOLDEN_FILE).write_bytes(line)
    with pytest.raises(BundleError, match="fetch the bundle again"):
        golden.read(tmp_path)


@pytest.mark.parametrize("task", ["tagging", "cleaning", "synonyms"])
def test_there_are_questions_of_our_own_for_every_task(task):
    questions = release.questions(task)
    assert len(set(questions)) == len(questions) >= 20
