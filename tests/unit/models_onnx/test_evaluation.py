"""Evaluation by task, on made-up rows with models that answer what the test says."""

import json

import pytest

from models_onnx import mapping, seen
from models_onnx.errors import DataError
from models_onnx.evaluation import cleaning, negatives, report, run, synonyms, tagging, typed
from models_onnx.evaluation.known import TEXT, FromBundle
from models_onnx.fakes import FakeTagger
from models_onnx.sets.records import Gold, Judgement, Likeness, Marked
from models_onnx.spans import Claim, Judged, TypeAnswer

COLOURS = ("red", "blue", "green", "pink", "grey", "black", "white", "navy")
THINGS = ("mug", "shirt", "lamp", "chair", "sofa", "rug", "vase", "clock")


def values(part):
    return {name: figure.value for name, figure in part.figures.items()}


def marked(text, *pieces):
    places = tuple(
        Marked(text.index(word), text.index(word) + len(word), label) for word, label in pieces
    )
    return Gold(text=text, kind="query", marked=places)


def test_spans_are_right_when_place_and_label_are():
    golds = [
        marked("red mug", ("red", "color"), ("mug", "thing")),
        marked("blue", ("blue", "color")),
    ]
    found = [{("color", 0, 3), ("thing", 0, 7)}, set()]
    known = seen.of([("color", "red")])
    whole, labels = tagging.evaluate(golds, found, known=known)
    told = values(whole)
    assert told["precision"] == pytest.approx(1 / 2)
    assert told["recall"] == pytest.approx(1 / 3)
    assert told["f1"] == pytest.approx(2 / 5)
    assert told["recall_seen"] == 1.0
    assert told["recall_unseen"] == 0.0
    assert values(labels["color"])["recall"] == pytest.approx(1 / 2)
    assert whole.counts == {"texts": 2, "gold": 3, "found": 2}


def test_values_are_compared_without_case_and_blanks_and_once_each():
    gold = Gold(text="Acme Red mug, red", kind="title", type="Shoes", values=(("Color", "RED"),))
    tagger = FakeTagger({"color": ["red"]})
    tagged = tagger.tag(tagging.questions([gold], typed=True))
    found = tagging.answered([gold], tagged, mapping.load("oa-mine"), by_place=False)
    assert found == [{("Color", "red", 0)}]
    assert values(tagging.evaluate([gold], found)[0])["f1"] == 1.0


def test_answers_to_what_was_not_asked_are_left_out():
    gold = Gold(text="red mug", kind="title", asked=frozenset({"Product Type"}))
    tagged = FakeTagger({"color": ["red"], "product_type": ["mug"]}).tag(
        tagging.questions([gold], typed=False)
    )
    found = tagging.answered([gold], tagged, mapping.load("wdc-pave"), by_place=False)
    assert found == [{("Product Type", "mug", 0)}]


def test_precision_is_of_labels_that_the_set_names_wholly():
    golds = [Gold(text="Acme red mug", kind="title", values=(("brand", "Acme"),))]
    found = [{("brand", "acme", 0), ("colour", "red", 0)}]
    told = values(tagging.evaluate(golds, found, named_wholly=frozenset({"brand"}))[0])
    assert (told["precision"], told["recall"]) == (1.0, 1.0)


def test_a_bundle_is_asked_in_the_labels_of_the_set():
    remembered = FromBundle(seen.of([("audience", "women")]), mapping.load("query-ner"))
    assert remembered.has("department", "Women")
    assert not remembered.has("color", "women")


TYPES = {"Mugs": "mugs", "Cups": "cups", "Robes": "bathrobes", "Bath Robes": "bathrobes"}
ABOVE = {"tea-cups": ("cups", "tableware")}


def answer(slug):
    return TypeAnswer(f"type:{slug}", slug, 0.9) if slug else None


def test_a_narrower_type_stands_for_the_name_above_it_and_a_shared_one_for_none():
    slugs = ["mugs", "tea-cups", "bathrobes", "sofas", ""]
    found = typed.names([answer(s) for s in slugs], TYPES, lambda slug: ABOVE.get(slug, ()))
    assert found == ["Mugs", "Cups", "", "", None]


def test_typing_is_measured_with_its_coverage():
    golds = [
        Gold(text=str(n), kind="title", type=t) for n, t in enumerate(["Mugs", "Mugs", "Cups"])
    ]
    answers = [answer("mugs"), None, answer("mugs")]
    whole, labels = typed.evaluate(
        golds, answers, TYPES, lambda _: (), known=seen.of([(TEXT, "0")])
    )
    told = values(whole)
    assert told["coverage"] == pytest.approx(2 / 3)
    assert told["macro_f1"] == pytest.approx((2 / 4 + 0) / 2)
    assert told["macro_f1_answered"] == pytest.approx((2 / 3 + 0) / 2)
    assert told["accuracy_seen"] == 1.0
    assert values(labels["Cups"])["recall"] == 0.0


def test_a_type_that_the_mapping_lacks_is_named():
    with pytest.raises(DataError, match="Hats"):
        typed.evaluate([Gold(text="a", kind="title", type="Hats")], [None], TYPES, lambda _: ())


def catalog():
    return [
        Gold(
            text=f"{colour.title()} {thing} no {number}",
            kind="title",
            type=thing,
            values=(("baseColour", colour), ("articleType", thing)),
        )
        for number, (colour, thing) in enumerate((c, t) for c in COLOURS for t in THINGS)
    ]


def test_errors_are_planted_alike_every_time_and_found_by_who_knows_them():
    right = cleaning.claims(catalog(), mapping.load("myntra-styles"))
    assert right[0] == Claim("Red mug no 0", "mug", "color", "red")
    rows = cleaning.plant(right)
    assert rows == cleaning.plant(right)
    assert 0.04 < sum(bool(row.kind) for row in rows) / len(rows) < 0.2
    perfect = [
        Judged(0.0 if row.kind else 1.0, "rejected" if row.kind else "accepted") for row in rows
    ]
    whole, kinds = cleaning.evaluate(rows, perfect, known=seen.of([("color", "red")]))
    told = values(whole)
    assert told["pr_auc"] == told["r_at_p95"] == told["rejected_recall"] == 1.0
    assert all(values(part)["pr_auc_at_share"] == 1.0 for part in kinds.values())
    assert sum(part.counts["wrong"] for part in kinds.values()) == whole.counts["wrong"]
    useless, _ = cleaning.evaluate(rows, [Judged(0.5, "held")] * len(rows))
    share = whole.counts["wrong"] / len(rows)
    assert values(useless)["pr_auc"] == pytest.approx(share)


def test_a_kind_at_its_share_is_measured_as_if_it_were_all_that_is_wrong():
    right = cleaning.claims(catalog(), mapping.load("myntra-styles"))
    rows = cleaning.plant(right)
    _, kinds = cleaning.evaluate(rows, [Judged(0.5, "held")] * len(rows))
    for part in kinds.values():
        assert values(part)["pr_auc_at_share"] == pytest.approx(cleaning.PLANTED)


def judged(head, tail, category="A > B"):
    return Judgement(Claim("", head, "implies", tail), tuple(category.split(" > ")))


def test_wrong_claims_stand_beside_right_ones_and_are_never_right():
    said = [judged(f"head {n}", f"tail {n % 9}") for n in range(30)] + [judged("head 1", "tail 2")]
    rows = negatives.against(said)
    assert rows == negatives.against(said)
    right = {(r.claim.type, r.claim.value) for r in rows if not r.kind}
    assert len([r for r in rows if not r.kind]) == len(said)
    others = [r for r in rows if r.kind == negatives.OTHER]
    assert len(others) == negatives.NEGATIVES * len(said)
    assert not right & {(r.claim.type, r.claim.value) for r in others}
    turned = [r for r in rows if r.kind == negatives.REVERSED]
    assert all((r.claim.value, r.claim.type) in right for r in turned)


def test_wrong_tails_come_from_the_nearest_category():
    near = [judged(f"a{n}", f"x{n}", "Home > Mugs") for n in range(6)]
    far = [judged(f"b{n}", f"y{n}", "Home > Lamps") for n in range(6)]
    rows = negatives.against([*near, *far])
    mine = {r.claim.value for r in rows if r.kind == negatives.OTHER and r.claim.type == "a0"}
    assert mine <= {f"x{n}" for n in range(6)}


def test_synonyms_are_ranked_beside_rapidfuzz():
    rows = [
        Likeness("grey", "gray", "color", True, "1"),
        Likeness("grey", "green", "color", False, "1"),
        Likeness("sofa", "couch", "", True, "2"),
    ]
    answers = [Judged(0.9, "accepted"), Judged(0.1, "rejected"), Judged(0.8, "held")]
    whole, labels = synonyms.evaluate(rows, answers, known=seen.of([(TEXT, "Couch")]))
    told = values(whole)
    assert (told["pr_auc"], told["precision"], told["recall"]) == (1.0, 1.0, 0.5)
    assert told["f1"] == pytest.approx(2 / 3)
    assert told["pr_auc_rapidfuzz"] < 1.0
    assert not labels


def test_a_task_is_refused_a_set_that_it_is_not_measured_on():
    with pytest.raises(DataError, match="use ditto-em"):
        run.check("synonyms", "query-ner")


@pytest.fixture
def queries(tmp_path):
    path = tmp_path / "dev.jsonl"
    rows = [{"tokens": [c, "mug"], "labels": ["B-color", "B-core_product_type"]} for c in COLOURS]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_a_report_says_the_same_in_json_and_in_lines(queries):
    tagger = FakeTagger({"color": COLOURS[:4], "product_type": ["mug"]})
    given = run.Given("query-ner", (queries,), train=(queries,))
    told = run.run_tagging(tagger, tagger.bundle_id, given)
    plain = report.plain(told)
    assert plain["figures"]["recall"][0] == 0.75
    assert plain["figures"]["recall_unseen"] is None
    assert plain["labels"]["color"]["figures"]["recall"][0] == 0.5
    assert json.loads(json.dumps(plain))["set"] == "query-ner"
    lines = list(report.rows(told))
    assert [line[0] for line in lines] == ["all", "color", "core_product_type"]
    assert lines[0][1:4] == ["8", "16", "12"]
    assert {len(line) for line in lines} == {len(report.columns(told)) + 1}


def test_a_sample_is_the_same_every_time(queries):
    tagger = FakeTagger({"color": COLOURS})
    given = run.Given("query-ner", (queries,), sample=3)
    first = run.run_tagging(tagger, "x", given)
    assert report.plain(first) == report.plain(run.run_tagging(tagger, "x", given))
    assert first.whole.counts["texts"] == 3
    assert "3 rows drawn, not all" in first.notes


def test_nothing_to_measure_on_is_said(tmp_path):
    (tmp_path / "empty").write_text("\n")
    with pytest.raises(DataError, match="nothing to measure on"):
        run.run_tagging(FakeTagger({}), "x", run.Given("query-ner", (tmp_path / "empty",)))
