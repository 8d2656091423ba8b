"""The command `cartograph`."""

import os

import typer

from streams.cli import backfill as backfill
from streams.cli import model, query, run, sample, serve, setup, state, token
from streams.cli import model_train as model_train
from streams.cli import reload as reload
from streams.cli.demo import demo

app = typer.Typer(
    name="cartograph",
    help="A streaming product-knowledge-graph builder. Start with `cartograph demo`.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command()(demo)
app.command()(run.worker)
app.command()(run.play)
app.command()(serve.serve)
app.add_typer(query.query, name="query")
app.add_typer(token.token, name="token")
app.add_typer(state.state, name="state")
app.add_typer(setup.broker, name="broker")
app.add_typer(setup.topics, name="topics")
app.add_typer(run.source, name="source")
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
