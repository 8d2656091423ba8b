"""A shop of forty shoes and what is claimed of them: all that training and measuring need."""

from models_onnx.cleaning import judgements
from models_onnx.cleaning.data import Claims
from models_onnx.spans import Claim
from models_onnx.tagging import lexicon

COLORS = ("Red", "Dark Blue", "Green", "Black", "White")
MATERIALS = ("Leather", "Canvas", "Wool", "Cork")
MAKERS = ("Acme", "Boltworks", "Peakline")


def shop(numbers, *, catalog=False):
    """What is said of shoes with these numbers, under our labels or the catalog's own names."""
    names = ("attr_t_product_colour", "supplier", "attr_t_material", "attr_n_length")
    color_name, maker_name, material_name, size_name = (
        names if catalog else ("color", "brand", "material", "size")
    )
    for i in numbers:
        color, material, maker = COLORS[i % 5], MATERIALS[i % 4], MAKERS[i % 3]
        text = f"{maker} {color} {material} Walking Shoes {i}, {20 + i} cm"
        kind = "" if catalog else "shoes"
        yield Claim(text, kind, color_name, color)
        yield Claim(text, kind, maker_name, maker)
        yield Claim(text, kind, material_name, material)
        yield Claim(text, kind, size_name, f"{20 + i}.0" if catalog else f"{20 + i} cm")


def small():
    """Claims of every sort, a few of each."""
    bare = [Claim("", "shoe", "activity", v) for v in ("hiking", "trail running", "dancing")]
    said = [
        judgements.Judgement("impakt", f"sole {i}", "implies", f"grip {i}", ("Shoes",), f"g{i}")
        for i in range(60)
    ]
    return Claims(
        lexicon=lexicon.load(),
        train={
            "oa-mine": list(shop(range(60))),
            "icecat-catalog": list(shop(range(60), catalog=True)),
            "asked": bare,
            "fitting": bare * 4,
        },
        validation={
            "oa-mine": list(shop(range(60, 160))),
            "icecat-catalog": list(shop(range(60, 160), catalog=True)),
            "fitting": bare * 20,
        },
        judged={"impakt": said},
    )
