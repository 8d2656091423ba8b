"""Asks the code whether a command line, an environment or a path of the API is one of its own."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import typer
from fastapi.routing import APIRoute

from models_onnx.fakes import FakeTagger
from streams.__main__ import app
from streams.serve.api import build_api
from streams.serve.reader import Readiness
from streams.settings import ENV_PREFIX, Settings
from tests.one_partition import LEXICON, small_ontology
from tests.serve_graph import MemoryReader

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"


def parse_command(words: Iterable[str]) -> str:
    """The command that `cartograph WORDS` runs: "topics apply"; nothing is run.

    Raises:
        click's UsageError: no such command or option, or a wrong value.
    """
    left = list(words)
    command: Any = typer.main.get_command(app)
    path = []
    while hasattr(command, "resolve_command"):  # a group
        context = command.context_class(command)
        name, command, left = command.resolve_command(context, left)
        path.append(name)
    command.make_context(path[-1], left)
    return " ".join(path)


def settings_of(env: Mapping[str, object]) -> Settings:
    """The settings that these variables give, as `cartograph` itself reads them.

    Raises:
        SettingsError: a name or value that it does not know.
    """
    told = {name: str(value) for name, value in env.items()}
    return Settings.from_env({name: v for name, v in told.items() if name.startswith(ENV_PREFIX)})


def api_paths() -> set[str]:
    """Paths of the HTTP API of `cartograph serve`."""
    api = build_api(
        MemoryReader([]), FakeTagger(LEXICON), small_ontology(), lambda: Readiness(True, (), {}, ())
    )
    return {route.path for route in api.routes if isinstance(route, APIRoute)}
