"""Writes `deploy/grafana/dashboards/*.json`; with --check it says whether they are as they should.

    python -m deploy.grafana.make [--check]

The JSON is what Grafana reads and what is reviewed; a test holds it to these files.
"""

import json
import sys
from pathlib import Path

from deploy.grafana.make import broker, graph, models, overview, pipeline
from deploy.grafana.make.parts import render

FOLDER = Path(__file__).parents[1] / "dashboards"
PAGES = (overview.PAGE, pipeline.PAGE, models.PAGE, graph.PAGE, broker.PAGE)


def texts() -> dict[str, str]:
    """File name -> what it should hold."""
    links = [(page.uid, page.title) for page in PAGES]
    return {f"{page.name}.json": json.dumps(render(page, links), indent=1) + "\n" for page in PAGES}


def main() -> int:
    """Write, or check; the exit code."""
    wrong = 0
    for name, text in texts().items():
        file = FOLDER / name
        if "--check" not in sys.argv:
            file.parent.mkdir(exist_ok=True)
            file.write_text(text)
        elif not file.exists() or file.read_text() != text:
            print(f"{file} is not what `make dashboards` writes")  # noqa: T201
            wrong = 1
    return wrong


if __name__ == "__main__":
    sys.exit(main())
