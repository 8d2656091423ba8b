"""Pages and error sentences name only commands, options, settings and files that there are."""

import functools
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from streams.__main__ import app
from streams.settings import ENV_NAMES, ENV_PREFIX, NOT_SETTINGS, RULES
from streams.totals.tables import TABLES
from tests.deploy import pages
from tests.deploy.told import DEPLOY, ROOT
from tests.monitoring import declared
from topology.scoring import ScoringSettings

PAGES = pages.tracked("*.md")
DEPLOYED = [file for file in pages.tracked("deploy") if not file.is_symlink() and file.is_file()]
SOURCES = pages.tracked("streams/*.py", "models_onnx/*.py", "topology/*.py", "tests/faults/*.py")
FILES = [str(file.relative_to(ROOT)) for file in pages.tracked()]
COMMANDS = [told for file in (*PAGES, *SOURCES) for told in pages.commands(file)]

USAGE_ERROR = typer.BadParameter.__mro__[1]
"""What a command line that is wrong raises; typer hides the name."""

OTHER_WORDS = {
    "is_a": "a relation",
    "x_bucket": "METRICS' example of a histogram",
    "x_sum": "the same",
    "x_count": "the same",
    "bad_total": "a reason of dead letters",
    "bad_product": "a reason of dead letters",
    "missing_id": "a reason of dead letters",
}
"""Words in backticks with an underscore that are no setting, metric, table or file."""


@functools.cache
def cartograph() -> Any:
    return typer.main.get_command(app)


def options(command: Any) -> set[str]:
    below = getattr(command, "commands", {}).values()
    own = {name for each in command.params for name in (*each.opts, *each.secondary_opts)}
    return own.union(["--help"], *(options(each) for each in below))


def wrong_with(told: pages.Told) -> str:
    """What the real command line has against it; empty: nothing. Nothing is run."""
    command, left, path = cartograph(), list(told.words), ["cartograph"]
    while hasattr(command, "resolve_command") and left and not left[0].startswith("-"):
        if left[0] not in command.commands:
            return f"{' '.join(path)} has no command {left[0]}"
        path.append(left[0])
        command = command.commands[left.pop(0)]
    for word in left:
        if word.startswith("--") and word.partition("=")[0] not in options(command):
            return f"{' '.join(path)} has no option {word}"
    if hasattr(command, "resolve_command") or "--help" in left:
        return ""  # a group, named for itself or for all that is below it
    try:
        command.make_context(path[-1], left)
    except USAGE_ERROR as error:
        kind = type(error).__name__
        # In a sentence a command may be named without what it needs, and with words for values.
        open_ends = ("MissingParameter", "BadOptionUsage", "BadParameter")
        if "does not exist" not in str(error) and (told.whole or kind not in open_ends):
            return f"{kind}: {error}"
    return ""


def test_there_are_commands_to_look_at():
    assert len([told for told in COMMANDS if told.where.endswith(".md")]) > 100
    assert len([told for told in COMMANDS if told.where.endswith(".py")]) > 100


def test_every_command_that_people_are_told_exists_with_its_options():
    assert {str(told): said for told in COMMANDS if (said := wrong_with(told))} == {}


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("cartograph topics tidi", "cartograph topics has no command tidi"),
        ("cartograph query facts --by products --at now --limmit 3", "has no option --limmit"),
        ("cartograph checkpoint restore", "MissingParameter"),
        ("cartograph graph diff live strict third", "UsageError"),
        ("cartograph capacity --events-per-day many", "BadParameter"),
        ("cartograph dead-letters list|shw T/0/1", "has no command shw"),
    ],
)
def test_a_command_that_there_is_not_is_found(line: str, says: str, tmp_path: Path):
    found = [wrong_with(told) for told in pages._of("a.md", line, whole=True)]
    assert any(says in said for said in found), found


@pytest.mark.parametrize("file", [*PAGES, *DEPLOYED], ids=lambda f: str(f.relative_to(ROOT)))
def test_every_setting_that_is_named_exists(file: Path):
    text = file.read_text(encoding="utf-8")
    named = set(re.findall(rf"(?<![A-Z_]){ENV_PREFIX}[A-Z][A-Z0-9_]*", text))
    if file in PAGES:  # CARTOGRAPH_KAFKA_USER, `_KAFKA_PASSWORD`
        short = re.findall(r"(?<![\w`])`(_[A-Z][A-Z0-9_]+)`", text)
        named |= {ENV_PREFIX.removesuffix("_") + name for name in short}
    allowed = set(ENV_NAMES.values())
    assert {n for n in named - allowed if not n.startswith(NOT_SETTINGS)} == set()


def test_every_setting_that_an_error_or_a_metric_names_exists():
    named = {
        (str(file.relative_to(ROOT)), name)
        for file in SOURCES
        for sentence in pages.sentences(file)
        for name in re.findall(rf"{ENV_PREFIX}[A-Z][A-Z0-9_]*", sentence)
    }
    assert len(named) > 50
    allowed = set(ENV_NAMES.values())
    assert {
        (where, name)
        for where, name in named
        if name not in allowed and not name.startswith(NOT_SETTINGS)
    } == set()


@functools.cache
def known_words() -> set[str]:
    found = set(RULES) | set(OTHER_WORDS) | set(TABLES)
    found |= {field.name for field in fields(ScoringSettings)}
    for name in declared.everything():
        found |= {name, re.sub(r"_(bucket|sum|count|total)$", "", name)}
    for file in FILES:
        found |= {Path(file).stem, *Path(file).parts}
    for file in SOURCES:  # functions, and what a record or file may hold
        code = file.read_text(encoding="utf-8")
        found |= set(re.findall(r"^(?:async )?def (\w+)", code, re.MULTILINE))
        found |= set(re.findall(r"^    (\w+): \w", code, re.MULTILINE))
    return found


@pytest.mark.parametrize("name", ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md",
                                  "deploy/RUNBOOK.md", "deploy/THREATS.md"])  # fmt: skip
def test_every_word_with_an_underscore_is_one_of_the_code(name: str):
    known = known_words()
    told = {
        word
        for span in pages.spans((ROOT / name).read_text(encoding="utf-8"))
        for word in re.findall(r"(?<![\w./-])[a-z]+(?:_[a-z0-9]+)+(?![\w./(-])", span)
    }
    assert told - known == set()


def test_no_word_is_allowed_that_nobody_uses():
    told = " ".join(file.read_text(encoding="utf-8") for file in PAGES)
    assert [word for word in OTHER_WORDS if word not in told] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda file: str(file.relative_to(ROOT)))
def test_every_file_module_and_target_that_is_named_exists(page: Path):
    text = page.read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z][a-z0-9-]*):", makefile, flags=re.MULTILINE))
    told = "\n".join([*pages.spans(text), pages.blocks(text)])
    assert set(re.findall(r"(?:^|[`(;] ?)make ([a-z][a-z0-9-]*)", told, re.MULTILINE)) <= targets
    for module in re.findall(
        r"python3? -m ((?:streams|topology|models_onnx|tests|deploy)[\w.]*)", told
    ):
        path = module.rstrip(".").replace(".", "/")
        assert f"{path}.py" in FILES or f"{path}/__main__.py" in FILES, module
    for name in re.findall(r"(?<![\w/.-])[\w./-]+\.(?:py|md|toml|sha256|yaml|yml)(?![\w-])", told):
        if name.isupper() or re.search(r"MAPPING|NAME|SET", name):
            continue
        in_image = name.startswith("/usr/")
        end = "/" + (Path(name).name if in_image else name.removeprefix("./").removeprefix("../"))
        assert any(("/" + file).endswith(end) for file in FILES) or name in MADE, name


MADE = {
    "cartograph.toml": "an operator's",
    "mappings/catalog.toml": "an operator's",
    "catalog.toml": "an operator's",
}
"""Files that people make."""


def test_every_sentence_that_the_runbook_explains_is_one_that_the_code_says():
    said = re.sub(
        r"[`\s]+|%[sd]", " ", " ".join(t for file in SOURCES for t in pages.sentences(file))
    )
    rows = re.findall(r"^\| (.*) \|$", (DEPLOY / "RUNBOOK.md").read_text(), re.MULTILINE)
    cells = [cell for row in rows for cell in row.split(" | ")[:2] if row.count(" | ") < 4]
    quoted = [span for cell in cells for span in pages.spans(cell) if " " in span]
    known = ("cartograph ", "CARTOGRAPH_", "/", "python ", "make ", "{")  # tested elsewhere
    told = [span for span in quoted if not span.startswith(known)]
    assert len(told) > 20
    for span in told:
        parts = [part.strip() for part in re.split(r"…|\b[NM]\b|-?\d[\d.]*( s)?", span) if part]
        assert [part for part in parts if part not in said] == [], span


def test_every_address_of_the_read_api_that_people_are_told_is_one():
    code = (ROOT / "streams" / "serve" / "api.py").read_text(encoding="utf-8")
    paths = [path.partition("{")[0] for path in re.findall(r'@api\.get\("([^"]+)"', code)]
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    told = re.findall(r"(?::8077|GET )(/[\w/.]*)", text)
    assert len(told) > 2
    for path in told:
        assert path in ("/openapi.json", *paths) or path.startswith("/v1/nodes/"), path


@pytest.mark.parametrize("page", PAGES, ids=lambda file: str(file.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path):
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith("http"):
            continue
        name, _, anchor = target.partition("#")
        other = (page.parent / name).resolve() if name else page
        assert other.exists(), target
        if anchor:
            heads = re.findall(r"^#+ (.+)$", other.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {anchor_of(head) for head in heads}, target


def anchor_of(heading: str) -> str:
    """As GitHub makes it of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_every_value_of_the_chart_that_the_runbook_names_exists():
    values = yaml.safe_load((DEPLOY / "chart" / "values.yaml").read_text())
    tops = "|".join(values)
    text = (DEPLOY / "RUNBOOK.md").read_text(encoding="utf-8")
    named = [
        found for span in pages.spans(text) for found in re.findall(rf"^(?:{tops})(?:\.\w+)+", span)
    ]
    assert len(named) > 5
    for name in named:
        found: Any = values
        path = name.replace("stages.X", "stages.route").split(".")
        if path[0] == "settings":
            assert path[1] in RULES, name
            continue
        for part in path:
            assert part in found, name
            found = found[part]
