"""The labels of the tagger, and what each of them means.

One list for titles and queries, fine enough that each label of the public sets that the tagger is
trained and measured on follows from ours (`mappings/`). INTENTS are the kinds of thing a shopper
wants a product for: the relations of the graph are built on them.
"""

MEANING: dict[str, str] = {
    "product_type": "what the thing is: shoes, laptop stand, gift",
    "brand": "maker or seller's mark, also author or studio",
    "model": "name the maker gives it: air max 90, the office",
    "part_number": "number the maker gives it: WH-1000XM4, 006R90321",
    "color": "black, rose gold",
    "material": "leather, stainless steel",
    "size": "dimension, volume, weight, clothes or bed size: 8.5 oz, queen, size 8",
    "dosage": "active substance in one dose: 500 mg, 5000 IU",
    "quantity": "how many in it: 100 count, 50 pcs, 64 loads",
    "pack": "how many packages: pack of 6, twin pack, set of 2",
    "pattern": "striped, floral, camo",
    "flavor": "what it tastes of",
    "scent": "what it smells of",
    "style": "look and manner: vintage, casual, boho",
    "shape": "form and cut: round, long sleeve, high waisted",
    "form": "state in which it comes: ground, tablets, loose leaf, spray",
    "variety": "kind within its type: cloth (of masks), hot (of cereals)",
    "grade": "degree on its type's own scale: dark roast, SPF 50, soft bristles, 3-ply",
    "diet": "vegan, gluten free, halal",
    "power_source": "what drives it and how: battery, rechargeable, manual",
    "closure": "lace-up, earloop, zip",
    "packaging": "box, resealable bag, individually wrapped",
    "feature": "any other property: waterproof, slip resistant, organic",
    "exclusion": "what it must come without: without batteries, no lid",
    "audience": "who it is for, animals too: pregnant women, nurses, dogs",
    "occasion": "event or feast: wedding, christmas, party",
    "activity": "what one does meanwhile: hiking, walking the dog",
    "function": "what it is to bring about: back pain relief, storing shoes",
    "season": "season or weather: winter, hot weather",
    "location": "where it is used: kitchen, icy sidewalks, outdoor",
    "body_part": "part or state of the body: wide feet, sensitive skin",
    "condition": "state of the single item: refurbished, used, new",
    "compatibility": "what it has to fit or work with: iphone 15",
    "price": "cheap, under $50",
    "theme": "what it shows or is about: star wars, unicorn, chemistry",
    "origin": "where it is from: italian, made in usa",
    "era": "time it is of: 80s, medieval, 2006",
    "other": "form of sale and what else describes it",
}

LABELS: tuple[str, ...] = tuple(MEANING)

INTENTS: frozenset[str] = frozenset(
    {"audience", "occasion", "activity", "function", "season", "location", "body_part"}
)


def bio_labels(labels: tuple[str, ...] = LABELS) -> tuple[str, ...]:
    """Column names of the tagger's scores: "O", "B-product_type", "I-product_type", ..."""
    return ("O", *(f"{part}-{label}" for label in labels for part in "BI"))
