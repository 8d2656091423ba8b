"""What pages and sentences tell people to type: commands, settings, files, words of the code.

A page is Markdown: what it tells stands in backticks or in blocks. Sentences are the texts of
Python files, as Python puts them together; what an f-string fills in is left open.
"""

import ast
import functools
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.deploy.told import ROOT

_BLOCK = re.compile(r"^```[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(r"(?:^ {4}\S.*\n)+", re.MULTILINE)
_SPAN = re.compile(r"`([^`]+)`")
_ENDS = {"|", "||", "&&", ";", "&", ">", ">>", "<", "<<", "#"}
_GAPS = ("...", "…")
"""Stand for words that are left out, the second also for what an f-string fills in."""
_CALL = re.compile(r"(?:^|[;|&(])\s*(?:\w+=\S+\s+)*(?=cartograph )")


class Told(NamedTuple):
    """A command that somebody is told to type.

    Attributes:
        where: the file.
        text: as it stands there.
        words: what follows `cartograph`.
        whole: it can be typed as it stands; else what it must be given may be left out.
    """

    where: str
    text: str
    words: list[str]
    whole: bool

    def __str__(self) -> str:
        return f"{self.where}: {self.text}"


def tracked(*patterns: str) -> list[Path]:
    """Files of the repository."""
    found = subprocess.run(
        ["git", "ls-files", *patterns], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [ROOT / name for name in found.stdout.split()]


def spans(page: str) -> list[str]:
    """What stands in backticks outside of blocks, on one line each."""
    return [" ".join(found.split()) for found in _SPAN.findall(_BLOCK.sub("", page))]


def blocks(page: str) -> str:
    """What stands in blocks, with lines that go on put together."""
    found = [*_BLOCK.findall(page), *_INDENTED.findall(_BLOCK.sub("", page))]
    return "\n".join(found).replace("\\\n", " ")


@functools.cache
def sentences(file: Path) -> tuple[str, ...]:
    """Texts of a Python file, docstrings too."""
    return tuple(_sentences(file))


def _sentences(file: Path) -> Iterator[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    inside = {
        id(part)
        for each in ast.walk(tree)
        if isinstance(each, ast.JoinedStr)
        for part in ast.walk(each)
        if part is not each
    }
    for each in ast.walk(tree):
        if id(each) in inside:
            continue
        if isinstance(each, ast.JoinedStr):
            yield "".join(
                str(part.value) if isinstance(part, ast.Constant) else _GAPS[1]
                for part in each.values
            )
        elif isinstance(each, ast.Constant) and isinstance(each.value, str):
            yield each.value


def commands(file: Path) -> Iterator[Told]:
    """Every `cartograph ...` of a page or of a Python file's texts."""
    where = str(file.relative_to(ROOT))
    if file.suffix == ".py":
        for sentence in sentences(file):
            for span in spans(sentence):
                yield from _of(where, span, whole=False)
        return
    page = file.read_text(encoding="utf-8")
    for span in spans(page):
        yield from _of(where, span, whole=False)
    for line in blocks(page).splitlines():
        yield from _of(where, line.removeprefix("$ "), whole=True)


def _of(where: str, text: str, *, whole: bool) -> Iterator[Told]:
    for call in _CALL.finditer(text):
        words = _typed(text[call.end() :].removeprefix("cartograph "))
        has_gap = any(word in _GAPS for word in words)
        for each in _alternatives([word for word in words if word not in _GAPS]):
            yield Told(where, text, each, whole and not has_gap)


def _typed(text: str) -> list[str]:
    """The words of a command up to what the shell does with it; brackets are for readers."""
    lexer = shlex.shlex(
        text.replace("[", "").replace("]", ""), posix=True, punctuation_chars="<>;&"
    )
    lexer.whitespace_split = True
    try:
        words = list(lexer)
    except ValueError:  # an apostrophe: words of a sentence, no command
        words = text.split()
    end = next((n for n, word in enumerate(words) if word in _ENDS), len(words))
    return words[:end]


def _alternatives(words: list[str]) -> list[list[str]]:
    """`list|show TOPIC` -> `list TOPIC`, `show TOPIC`."""
    for place, word in enumerate(words):
        if re.fullmatch(r"[\w-]+(\|[\w-]+)+", word):
            return [
                found
                for each in word.split("|")
                for found in _alternatives([*words[:place], each, *words[place + 1 :]])
            ]
    return [words]
