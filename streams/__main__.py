"""The command `cartograph`."""

import os
import signal

# Imports take a second or more: Ctrl-C meanwhile ends without a traceback of whatever is read.
_heard = signal.getsignal(signal.SIGINT)
if _heard is signal.default_int_handler:  # a shell's background job ignores it, and goes on to
    signal.signal(signal.SIGINT, signal.SIG_DFL)

import typer  # noqa: E402

from streams.cli import backfill as backfill  # noqa: E402
from streams.cli import (  # noqa: E402
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
from streams.cli import model_train as model_train  # noqa: E402
from streams.cli import prune as prune  # noqa: E402
from streams.cli import reload as reload  # noqa: E402
from streams.cli import replay as replaying  # noqa: E402
from streams.cli import tidy as tidy  # noqa: E402
from streams.cli.capacity import capacity  # noqa: E402
from streams.cli.dead_letters import dead_letters  # noqa: E402
from streams.cli.demo import demo  # noqa: E402
from streams.cli.forget import forget  # noqa: E402

app = typer.Typer(
    name="cartograph",
    help="A streaming product-knowledge-graph builder. Start with `cartograph demo`.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
signal.signal(signal.SIGINT, _heard)
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
