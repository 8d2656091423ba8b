"""`cartograph serve`: the HTTP read API."""

import asyncio
from typing import Annotated

import typer

from streams.cli.setup import address_of
from streams.cli.shell import note, settings, told
from streams.process import logs
from streams.serve import server, tokens
from streams.serve.running import Running


@told
def serve(
    host: Annotated[
        str | None, typer.Option(help="Where to listen; by default for this machine alone.")
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65_535, help="0: any free one; by default 8077.")
    ] = None,
) -> None:
    """Keep a copy of the graph up to date and answer questions about it over HTTP."""
    found = settings(http_host=host, http_port=port)
    found = found.with_(kafka=address_of(found))

    logs.set_up("serve", level=found.log_level, as_json=found.log_json)

    def answering(at: Running) -> None:
        note(f"answering at {at.address} (pid {at.pid}); GET /readyz says when all is read")
        if found.api_mode == "token" and not tokens.read(tokens.file_of(found)).tokens:
            note("there is no token yet: make one with `cartograph token create NAME`")
        note(f"paths: {at.address}/openapi.json; stop it with Ctrl-C")

    asyncio.run(
        server.serve(found, on_answering=answering, on_ready=lambda: note("ready: all is read"))
    )
    note("stopped")
