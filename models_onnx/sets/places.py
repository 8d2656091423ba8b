"""Where a value stands in a text."""

import re


def stands_in(value: str, text: str) -> bool:
    """Whether `value` stands in `text` as whole words, letter case aside."""
    return bool(value.strip()) and re.search(_whole(value), text, re.IGNORECASE) is not None


def same(value: str) -> str:
    """What two values must share to count as equal: case and blanks aside, character by character.

    Source: ExtractGPT compares answers as strings; OA-Mine's values stand in their titles.
    """
    return " ".join(value.split()).casefold()


def _whole(value: str) -> str:
    words = r"\s+".join(map(re.escape, value.split()))
    return rf"(?<!\w){words}(?!\w)"
