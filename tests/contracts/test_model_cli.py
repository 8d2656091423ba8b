"""`cartograph model` with the shipped bundles and real sessions: the contract of its lines."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from models_onnx import bundle, mapping
from models_onnx.fakes import FakeTagger
from models_onnx.spans import Judged
from streams.__main__ import app
from streams.cli import model_load
from streams.cli.model_answers import TagAnswers, TagLine
from streams.products.typed import OntologyTyper
from topology.ontology import default_ontology

TITLE = "Peter England Men Blue Jeans"


def lines(*rows):
    return "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows)


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def call(*words, given=""):
        told = CliRunner().invoke(app, ["model", *map(str, words)], input=given)
        return told, [
            json.loads(one) for one in told.stdout.splitlines() if one.startswith('{"id"')
        ]

    return call


def test_a_title_is_answered_with_spans_type_and_bundle(run):
    told, (answer,) = run(
        "tag", "--device", "cpu", given=lines({"id": 1, "text": TITLE, "kind": "title"})
    )
    assert told.exit_code == 0
    assert set(answer) == {"id", "spans", "product_type", "bundle"}
    assert {(s["text"], s["label"]) for s in answer["spans"]} == {
        ("Peter England", "brand"),
        ("Men", "audience"),
        ("Blue", "color"),
        ("Jeans", "product_type"),
    }
    for span in answer["spans"]:
        assert set(span) == {"start", "end", "label", "text", "score"}
        assert TITLE[span["start"] : span["end"]] == span["text"]
        assert 0 <= span["score"] <= 1
    assert answer["product_type"]["id"] == "type:jeans"
    assert answer["bundle"].startswith("tagging@")


def test_a_bad_line_is_answered_and_the_rest_goes_on(run):
    told, answers = run(
        "tag",
        given=lines(
            {"id": "a", "text": "red mug", "kind": "query"},
            "{oops",
            {"id": "b", "text": "red mug", "kind": "song"},
            {"id": "c", "text": "", "kind": "query"},
        ),
    )
    assert told.exit_code == 1
    assert [one["id"] for one in answers] == ["a", None, "b", "c"]
    assert "line 2" in answers[1]["error"]
    assert "'song'" in answers[2]["error"]
    assert answers[3]["spans"] == []
    assert answers[3]["product_type"] is None
    assert "2 of 4 lines could not be read" in told.stderr


@pytest.mark.parametrize("given", ["jeans", "type:jeans", "Blue Jeans"])
def test_a_given_type_is_believed(run, given):
    row = {"id": 1, "text": "Acme 501, W32", "kind": "title", "product_type": given}
    _, (answer,) = run("tag", given=lines(row))
    assert answer["product_type"] == {"id": "type:jeans", "score": 1.0}


def test_a_type_that_nobody_knows_is_null(run):
    row = {"id": 1, "text": "Acme 501", "kind": "title", "product_type": "zorgblatt"}
    _, (answer,) = run("tag", given=lines(row))
    assert answer["product_type"] is None


@pytest.mark.parametrize("name", [n for n in mapping.published() if mapping.load(n).labels])
def test_answers_are_in_the_labels_of_the_set_that_is_named(run, name):
    row = {"id": 1, "text": "Acme Shoes for Women, Red Leather, Size 8, 2 Pack", "kind": "title"}
    told, (answer,) = run("tag", "--as", name, given=lines(row))
    assert told.exit_code == 0
    assert answer["spans"]
    assert {s["label"] for s in answer["spans"]} <= set(mapping.load(name).labels)


@pytest.mark.parametrize(("name", "says"), [("nothing", "query-ner"), ("pricerunner", "marks no")])
def test_a_set_without_labels_is_refused(run, name, says):
    told, _ = run("tag", "--as", name)
    assert told.exit_code == 2
    assert says in told.stderr


def test_claims_are_judged(run):
    claim = {"id": 7, "text": TITLE, "product_type": "jeans", "attribute": "color", "value": "blue"}
    told, answers = run(
        "clean",
        given=lines(
            claim,
            {**claim, "value": "n/a"},
            {"id": 9, "attribute": "color", "value": "red"},
            {"id": 3},
        ),
    )
    assert told.exit_code == 1
    assert set(answers[0]) == {"id", "score", "verdict", "bundle"}
    assert [one.get("verdict") for one in answers[:2]] == ["accepted", "rejected"]
    assert answers[2]["verdict"] in ("accepted", "held", "rejected")
    assert answers[3]["id"] == 3
    assert "attribute" in answers[3]["error"]


class FakeMatcher:
    bundle_id = "synonyms@0.0.0-rules-fake"

    def match(self, pairs):
        return [Judged(float(p.a == p.b), "accepted" if p.a == p.b else "rejected") for p in pairs]

    def close(self):
        pass


def test_pairs_are_judged(run, monkeypatch):
    monkeypatch.setattr(model_load, "matcher", lambda *_: FakeMatcher())
    told, answers = run(
        "match", given=lines({"id": 1, "a": "red", "b": "red"}, {"id": 2, "a": "x"})
    )
    assert told.exit_code == 1
    assert answers[0] == {
        "id": 1, "score": 1.0, "verdict": "accepted", "bundle": "synonyms@0.0.0-rules-fake",
    }  # fmt: skip
    assert "`b`" in answers[1]["error"]


@pytest.mark.slow
def test_a_process_answers_line_by_line():
    command = [sys.executable, "-m", "streams", "model", "tag", "--threads", "1"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        for number in range(3):
            row = {"id": number, "text": "red mug", "kind": "query"}
            process.stdin.write(lines(row).encode())
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["id"] == number
        process.stdin.close()
        assert process.wait(30) == 0


def test_titles_are_read_as_products_reads_them():
    """First without a type, then with the name of the type that was found."""
    asked = []

    class Tagger(FakeTagger):
        def tag(self, texts):
            asked.extend(texts)
            return super().tag(texts)

    tagger = Tagger({"product_type": ["trainers"], "color": ["red"]})
    ontology = default_ontology()
    answers = TagAnswers(tagger, OntologyTyper(tagger, ontology), ontology)
    answers([TagLine("1", "red trainers", "title"), TagLine("2", "red trainers", "query")])
    slug = ontology.type_of("trainers")
    assert [text.type for text in asked] == ["", "", ontology.types[slug].name, ""]


@pytest.fixture
def files(tmp_path):
    queries = [
        {"tokens": ["red", "mug"], "labels": ["B-color", "B-core_product_type"]},
        {
            "tokens": ["shoes", "for", "women"],
            "labels": ["B-core_product_type", "B-department", "I-department"],
        },
    ]
    fashion = [
        {
            "title": TITLE,
            "articleType": "Jeans",
            "baseColour": "Blue",
            "gender": "Men",
            "usage": "Casual",
            "season": "Fall",
        },
        {
            "title": "Acme Women Red Kurta",
            "articleType": "Kurtas",
            "baseColour": "Red",
            "gender": "Women",
            "usage": "Ethnic",
            "season": "Fall",
        },
    ]
    for name, rows in (("queries", queries), ("fashion", fashion)):
        (tmp_path / name).write_text(lines(*rows))
    return tmp_path


@pytest.mark.parametrize(
    ("task", "name", "file", "figure"),
    [
        ("tagging", "query-ner", "queries", "f1"),
        ("tagging", "myntra-styles", "fashion", "recall"),
        ("typing", "myntra-styles", "fashion", "macro_f1"),
        ("cleaning", "myntra-styles", "fashion", "accepted_recall"),
    ],
)
def test_what_is_measured_is_printed_for_people_and_as_json(run, files, task, name, file, figure):
    words = ("evaluate", task, files / file, "--set", name, "--train", files / file)
    told, _ = run(*words)
    assert told.exit_code == 0, told.stderr
    assert figure in told.stdout
    assert "95 % bootstrap" in told.stdout
    told, _ = run(*words, "--json")
    printed = json.loads(told.stdout)
    value, low, high = printed["figures"][figure]
    assert 0 <= low <= value <= high <= 1
    assert printed["bundle"].count("@") == 1


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("evaluate", "synonyms", "x", "--set", "query-ner"), "use ditto-em"),
        (("evaluate", "tagging", "nowhere", "--set", "query-ner"), "nowhere cannot be read"),
        (("evaluate", "tagging", "fashion", "--set", "query-ner"), "list of texts in 'tokens'"),
        (("release", "nowhere"), "no bundle in nowhere"),
        (("tag", "--bundle", "nowhere"), "no bundle in nowhere"),
    ],
)
def test_what_the_operator_must_change_is_said_in_a_sentence(run, files, words, says):
    told, _ = run(*words)
    assert told.exit_code == 2, told.output
    assert says in told.stderr
    assert "Traceback" not in told.output


def test_a_bundle_is_released_with_golden_inputs_and_figures(run, files):
    folder = files / "bundle"
    shutil.copytree(bundle.shipped("tagging"), folder)
    told, _ = run("evaluate", "tagging", files / "queries", "--set", "query-ner", "--json")
    (files / "report.json").write_text(told.stdout)
    told, _ = run("release", folder, "--version", "9.9.9", "--figures", files / "report.json")
    assert told.exit_code == 0, told.output
    manifest = bundle.load(folder, task="tagging").manifest
    assert manifest.version == "9.9.9"
    assert manifest.quality["query-ner"]["texts"] == 2
    assert "golden.jsonl" in manifest.files
    _, (answer,) = run(
        "tag", "--bundle", folder, given=lines({"id": 1, "text": "a mug", "kind": "query"})
    )
    assert answer["bundle"] == "tagging@9.9.9-int8-cpu"


def test_the_slugs_of_every_mapping_stand_in_the_ontology():
    types = default_ontology().types
    for name in mapping.published():
        for said, slug in mapping.load(name).types.items():
            assert slug in types, f"{name}: {said} = {slug}"


def test_claims_are_of_attributes_that_the_shipped_cleaner_knows():
    known = set(bundle.read_manifest(bundle.shipped("cleaning")).labels)
    for name in mapping.published():
        assert set(mapping.load(name).attributes.values()) <= known, name


def test_the_readme_shows_every_command():
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    for command in ("tag", "clean", "match", "evaluate", "release"):
        assert f"cartograph model {command}" in readme
