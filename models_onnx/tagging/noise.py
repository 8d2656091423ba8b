"""Made-up brands and model numbers, typing errors, letter case."""

import random
import string

from models_onnx.tagging.lexicon import writing

TYPO_SHARE = 0.1
_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")


def brand_name(rng: random.Random) -> str:
    """A brand that does not exist."""
    names = writing("names")
    if rng.random() < 0.3:
        return rng.choice(names["first"]) + rng.choice((" ", "")) + rng.choice(names["last"])
    name = "".join(
        rng.choice(names["heads"]) + rng.choice(names["vowels"])
        for _ in range(rng.choice((1, 2, 2, 3)))
    )
    name += rng.choice([*names["tails"], ""])
    return f"{name} {rng.choice(names['second'])}" if rng.random() < 0.2 else name


def model_name(rng: random.Random) -> str:
    """A model's name or number."""
    letters = "".join(rng.choices(string.ascii_uppercase, k=rng.randint(1, 3)))
    code = f"{letters}{rng.choice(('', '-'))}{rng.randint(2, 9999)}"
    if rng.random() < 0.5:
        return code + rng.choice(("", "", letters[:1], "B", "x"))
    words = writing("names")["models"]
    word, other = rng.choice(words), rng.choice(words)
    return rng.choice((f"{word} {rng.randint(2, 15)}", f"{code} {word}", f"{word} {other}", word))


def title_case(text: str) -> str:
    """Every word with a capital letter, apostrophes respected ("Men's")."""
    return " ".join(w[:1].upper() + w[1:] for w in text.split(" "))


def misspell(rng: random.Random, text: str, label: str | None) -> str:
    """The text, now and then with one typing error, or with a hyphen for a blank or none."""
    if label not in (None, "brand", "model", "size") and rng.random() < 0.08:
        if "-" in text:
            text = text.replace("-", rng.choice((" ", "")))
        elif text.count(" ") == 1 and len(text) < 16:
            text = text.replace(" ", rng.choice(("-", "")))
    words = [typo(rng, w) if len(w) > 3 and rng.random() < TYPO_SHARE else w for w in text.split()]
    return " ".join(words)


def typo(rng: random.Random, word: str) -> str:
    """`word` with two letters swapped, one lost, doubled, or hit beside; the first stays."""
    at = rng.randrange(1, len(word) - 1)
    how = rng.randrange(4)
    if how == 0:
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    if how == 1:
        return word[:at] + word[at + 1 :]
    if how == 2:
        return word[:at] + word[at] + word[at:]
    return word[:at] + rng.choice(_beside(word[at])) + word[at + 1 :]


def _beside(letter: str) -> str:
    """The keys beside a letter's, or the letter itself where it has no row."""
    row = next((row for row in _ROWS if letter in row), None)
    if row is None:
        return letter
    at = row.index(letter)
    return row[max(0, at - 1) : at] + row[at + 1 : at + 2]
