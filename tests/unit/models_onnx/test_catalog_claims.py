"""What catalogs claim, read from a few lines of each format; the real sets: marker `shared`."""

import gzip
import json
import os
from pathlib import Path

import pytest

from models_onnx.cleaning import catalogs, data
from models_onnx.spans import Claim
from models_onnx.tagging import data as texts
from models_onnx.tagging.splits import normal

SHARED = Path(os.environ.get("CARTOGRAPH_SHARED", Path(__file__).parents[4] / "shared")) / "data"
shared = pytest.mark.skipif(not SHARED.is_dir(), reason="the folder shared/data is not there")


def zipped(path, *rows):
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.write("".join(json.dumps(row) + "\n" for row in rows))
    return path


def lines(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_icecat_gives_the_main_fields_and_a_slice_of_the_others(tmp_path):
    row = {"id": "7", "title": "Acme Black Cable", "supplier": "Acme", "name": "x", "price": 3}
    row |= {"attr_t_product_colour": "Black", "attr_t_product_type": "Cable", "attr_b_colour": True}
    row |= {f"attr_n_measure_{i}": float(i) for i in range(40)}
    row |= {"attr_t_certification": "c" * 500}
    claims = list(catalogs.icecat(zipped(tmp_path / "i.gz", row)))
    assert claims[0] == Claim("Acme Black Cable", "cable", "supplier", "Acme")
    assert Claim("Acme Black Cable", "", "attr_t_product_type", "Cable") in claims
    assert len(claims) == 3 + catalogs.OTHERS_OF_A_PRODUCT
    assert not any("c" * 99 in c.value or c.attribute in ("name", "price") for c in claims)
    assert claims == list(catalogs.icecat(tmp_path / "i.gz"))


def test_icecats_bogus_type_is_no_type_and_no_claim(tmp_path):
    row = {"id": "7", "title": "Acme", "supplier": "Acme", "attr_t_product_type": "1"}
    assert list(catalogs.icecat(zipped(tmp_path / "i.gz", row))) == [
        Claim("Acme", "", "supplier", "Acme")
    ]


def test_a_field_that_names_the_type_is_judged_without_it(tmp_path):
    row = {"title": "Blue Jeans", "articleType": "Jeans", "baseColour": "Blue", "gender": "Men"}
    found = {c.attribute: c.type for c in catalogs.myntra(zipped(tmp_path / "m.gz", row))}
    assert found == {"gender": "jeans", "articleType": "", "baseColour": "jeans"}


def test_values_that_are_not_given_are_no_claims(tmp_path):
    oa = {
        "input": "Tea",
        "category": "Tea",
        "target_scores": {"Brand": {"n/a": 1}, "Diet": {"A": 1}},
    }
    claims = list(catalogs.oa_mine(lines(tmp_path / "o", oa)))
    assert claims == [Claim("Tea", "tea", "Diet", "A")]
    pave = {
        "input_title": "HP Toner",
        "category": "Office",
        "target_scores": {
            "Brand": {"HP": {"pid": [0], "score": 1}},
            "Color": {"Black": {"pid": [1], "score": 1}},
            "Width": {"n/a": 1},
        },
    }
    claims = list(catalogs.wdc_pave(lines(tmp_path / "w", pave)))
    assert claims == [Claim("HP Toner", "office", "Brand", "HP")]


def test_a_taxonomy_says_what_an_attribute_of_a_category_may_be(tmp_path):
    (tmp_path / "categories").mkdir()
    category = "- name: Sofas\n  attributes: [color, unheard_of]\n- name: Services\n"
    (tmp_path / "categories" / "a.yml").write_text(category)
    attribute = "base_attributes:\n- {name: Color, friendly_id: color, values: [c__red, c__gone]}\n"
    (tmp_path / "attributes.yml").write_text(attribute)
    (tmp_path / "values.yml").write_text("- {name: Red, friendly_id: c__red}\n")
    assert list(catalogs.taxonomy(tmp_path)) == [Claim("", "sofas", "Color", "Red")]


@pytest.mark.shared
@pytest.mark.slow
@shared
def test_no_measured_title_is_trained_on_and_nothing_without_a_licence():
    claims = data.read(SHARED, texts.read(SHARED))
    assert data.MEASURED_ONLY not in claims.train
    assert set(data.SHARES) <= set(claims.train)
    shown = {normal(c.text) for part in claims.train.values() for c in part if c.text}
    for name in ("oa-mine", "icecat", "myntra", *data.CATALOGS, data.MAIN):
        assert shown.isdisjoint(normal(c.text) for c in claims.validation[name]), name
    for name in data.CATALOGS:
        measured = {normal(c.text) for c in claims.validation[name]}
        assert measured
        assert measured.isdisjoint(normal(c.text) for c in claims.train[name])
