"""The command `cartograph`."""

import os

import typer

from streams.cli import backfill as backfill
from streams.cli import (
    checkpoint,
    generations,
    model,
    quality,
    query,
    run,
    sample,
    serve,
    setup,
    state,
    token,
)
from streams.cli import model_train as model_train
from streams.cli import prune as prune
from streams.cli import reload as reload
from streams.cli import replay as replaying
from streams.cli import tidy as tidy
from streams.cli.capacity import capacity
from streams.cli.dead_letters import dead_letters
from streams.cli.demo import demo
from streams.cli.forget import forget

app = typer.Typer(
    name="cartograph",
    help="A streaming product-knowledge-graph builder. Start with `cartograph demo`.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command()(demo)
app.command()(run.worker)
app.command()(run.play)
app.command()(replaying.replay)
app.command()(serve.serve)
app.command()(forget)
app.command()(capacity)
app.add_typer(query.query, name="query")
generations.graph.command("quality")(quality.quality)
app.add_typer(generations.graph, name="graph")
app.add_typer(token.token, name="token")
app.add_typer(state.state, name="state")
app.add_typer(checkpoint.checkpoint, name="checkpoint")
app.add_typer(setup.broker, name="broker")
app.add_typer(setup.topics, name="topics")
app.add_typer(run.source, name="source")
app.add_typer(dead_letters, name="dead-letters")
app.add_typer(setup.config, name="config")
app.add_typer(setup.ontology, name="ontology")
app.add_typer(sample.sample, name="sample")
app.add_typer(model.model, name="model")


def main() -> None:
    """Entry point of the console script."""
    os.umask(0o077)  # stores, logs and locks hold what shoppers did: for their owner alone
    app()


if __name__ == "__main__":
    main()
