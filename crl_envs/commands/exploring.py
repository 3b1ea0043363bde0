"""``explore``: the worlds live, on a page."""

from __future__ import annotations

from typing import Annotated

import typer

from crl_envs.commands.console import refusals, say
from crl_envs.explorer import server


def explore(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Where to serve the page.")] = 8080,
    host: Annotated[
        str,
        typer.Option(help="Address to listen on. The default is reached from this machine only."),
    ] = "127.0.0.1",
    opens: Annotated[
        bool, typer.Option("--open/--no-browser", help="Open the page in a browser.")
    ] = True,
) -> None:
    """Serve a page on which to watch the worlds and their learners live; Ctrl+C ends it."""
    host = server.bare(host)
    with refusals():
        server.check_installed()
        server.check_free(host, port)
    if not server.is_loopback(host):
        say(
            f"warning: whoever reaches port {port} of {host} over the network can use the page and this machine's "
            "processor; there is no login. Without --host, only this machine can.",
            err=True,
        )
    say(f"explorer: {server.page_url(host, port)} (Ctrl+C ends it)")
    server.serve(host, port, opens)
