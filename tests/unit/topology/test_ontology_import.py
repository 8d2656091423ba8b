"""Shopify's taxonomy becomes an ontology file that loads."""

import os
import time
from pathlib import Path

import pytest

from topology.errors import OntologyError
from topology.ontology import Ontology, parse_ontology
from topology.ontology_import import shopify_to_toml

SHARED = Path(os.environ.get("CARTOGRAPH_SHARED", Path(__file__).parents[3] / ".." / "shared"))

CATEGORIES = """
- id: aa
  name: Apparel & Accessories
  children: [aa-1, aa-2]
  attributes: [color]
- id: aa-1
  name: Clothing
  children: [aa-1-1]
  attributes: [color, shell/frame_color]
- id: aa-1-1
  name: Shirts
  children: []
  attributes: [color, shell/frame_color, 3d_shape]
- id: aa-2
  name: Baby "Wear"
  children: [aa-2-1]
  attributes: [color]
- id: aa-2-1
  name: Shirts
  children: []
  attributes: [color]
"""
ATTRIBUTES = """
base_attributes:
- {id: 1, name: Color, friendly_id: color, handle: color, values: [color__gray, color__other]}
- {id: 2, name: 3D shape, friendly_id: 3d_shape, handle: s, values: [s__1, s__2]}
- {id: 3, name: Colors, friendly_id: colors, handle: colors, values: [color__gray]}
extended_attributes:
- {name: Shell/Frame color, friendly_id: shell/frame_color, handle: sf, values_from: color}
"""
VALUES = """
- {id: 1, name: Gray, friendly_id: color__gray, handle: g}
- {id: 2, name: Other, friendly_id: color__other, handle: o}
- {id: 3, name: Ball, friendly_id: s__1, handle: b}
- {id: 4, name: Balls, friendly_id: s__2, handle: b}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "data" / "categories").mkdir(parents=True)
    (tmp_path / "data" / "categories" / "aa.yml").write_text(CATEGORIES)
    (tmp_path / "data" / "attributes.yml").write_text(ATTRIBUTES)
    (tmp_path / "data" / "values.yml").write_text(VALUES)
    return tmp_path


def imported(folder: Path) -> Ontology:
    return parse_ontology({"shopify.toml": shopify_to_toml(folder)})


def test_categories_become_types_with_their_parents(folder: Path) -> None:
    o = imported(folder)
    assert set(o.types) == {
        "apparel-&-accessories",
        "clothing",
        "shirts",
        "baby-%22wear%22",
        "baby-%22wear%22-shirts",
    }
    assert o.ancestors("shirts") == ("clothing", "apparel-&-accessories")
    assert [one.slug for one in o.types.values() if one.department] == ["apparel-&-accessories"]


def test_a_name_of_several_categories_is_ambiguous_until_the_path_decides(folder: Path) -> None:
    o = imported(folder)
    assert o.type_of("shirts") is None
    assert o.type_of("Apparel & Accessories > Clothing > Shirts") == "shirts"
    assert o.type_of('Baby "Wear" > Shirts') == "baby-%22wear%22-shirts"


def test_attributes_keep_their_values_and_come_down_the_tree(folder: Path) -> None:
    o = imported(folder)
    assert dict(o.attributes["color"].values) == {"Gray": ()}
    assert dict(o.attributes["shell_frame_color"].values) == {"Gray": ()}
    assert dict(o.attributes["a_3d_shape"].values) == {"Ball": ()}
    assert "colors" not in o.attributes
    assert o.types["shirts"].attributes == ("a_3d_shape",)
    assert o.applicable("shirts", "shell_frame_color")
    assert not o.applicable("baby-%22wear%22-shirts", "shell_frame_color")


def test_what_the_taxonomy_lacks_comes_from_the_packaged_ontology(folder: Path) -> None:
    o = imported(folder)
    assert o.applicable("shirts", "brand")
    assert o.attributes["capacity"].unit == "ml"
    found = o.attribute_of("baseColour")
    assert found is not None
    assert found.name == "color"
    assert o.relation_of("audience") == "used_for_aud"


def test_equal_folders_give_equal_texts(folder: Path) -> None:
    assert shopify_to_toml(folder) == shopify_to_toml(folder / "data")


def test_a_folder_that_is_no_taxonomy_is_refused_with_a_remedy(folder: Path) -> None:
    with pytest.raises(OntologyError, match=r"categories.*has no \.yml file.*name the folder"):
        shopify_to_toml(folder / "elsewhere")
    (folder / "data" / "values.yml").write_text("- {id: 1}")
    with pytest.raises(OntologyError, match=r"values\.yml cannot be read.*name"):
        shopify_to_toml(folder)
    (folder / "data" / "values.yml").unlink()
    with pytest.raises(OntologyError, match=r"values\.yml cannot be read"):
        shopify_to_toml(folder)
    (folder / "data" / "attributes.yml").write_text("{")
    with pytest.raises(OntologyError, match=r"\.yml cannot be read"):
        shopify_to_toml(folder)


@pytest.mark.slow
@pytest.mark.shared
def test_the_whole_taxonomy_loads_in_two_seconds() -> None:
    folder = SHARED / "data" / "shopify-taxonomy"
    if not folder.exists():
        pytest.skip("the shared data folder is not there")
    text = shopify_to_toml(folder)
    before = time.process_time()
    o = parse_ontology({"shopify.toml": text})
    assert time.process_time() - before < 2
    assert len(o.types) == 10_282
    assert len(o.attributes) > 1_900
    assert o.type_of("dog food") == "dog-food"
    assert o.distance("dog-food", o.parents("dog-food")[0]) == 1
