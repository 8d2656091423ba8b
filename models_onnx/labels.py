"""The labels of the tagger, and what each of them means.

One list for titles and queries. INTENTS are the kinds of thing a shopper wants a product for:
the relations of the graph are built on them.
"""

MEANING: dict[str, str] = {
    "product_type": "what the thing is: shoes, laptop stand, gift",
    "brand": "maker or seller's mark, also author or studio",
    "model": "name or number the maker gives it: air max 90, WH-1000XM4",
    "color": "black, rose gold",
    "material": "leather, stainless steel",
    "size": "dimension, volume, weight, clothes or bed size: 8.5 oz, queen, size 8",
    "quantity": "how many: pack of 6, 100 count",
    "pattern": "striped, floral, camo",
    "flavor": "what it tastes of",
    "scent": "what it smells of",
    "style": "form, cut and look: vintage, long sleeve, round",
    "feature": "a property it has: waterproof, slip resistant, gluten free, without batteries",
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
    "other": "theme, origin, form of sale and what else describes it",
}

LABELS: tuple[str, ...] = tuple(MEANING)

INTENTS: frozenset[str] = frozenset(
    {"audience", "occasion", "activity", "function", "season", "location", "body_part"}
)


def bio_labels(labels: tuple[str, ...] = LABELS) -> tuple[str, ...]:
    """Column names of the tagger's scores: "O", "B-product_type", "I-product_type", ..."""
    return ("O", *(f"{part}-{label}" for label in labels for part in "BI"))
