"""Serves the page on this machine."""

from __future__ import annotations

import ipaddress
import os
import socket
import sys
import webbrowser
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final
from urllib.parse import urlsplit

from crl_envs.adapters.library import require

# Seconds in which a browser that was cut off finds its page as it was. Pings come as much more seldom: on a busy
# machine neither side has to answer within a second or two.
RECONNECTS: Final = 30.0
_TENDED: Final = 5.0  # seconds between two looks at sessions that nobody looks at

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


def check_installed() -> None:
    """See that what the page needs is installed.

    Raises:
        MissingLibraryError: It isn't; the message says what to do.
    """
    require("nicegui", "3.0", extra="explore")
    require("matplotlib", "3.0", extra="explore")
    require("pillow", "9.0", extra="explore")


def is_loopback(host: str) -> bool:
    """Whether only programs on this machine reach that address, in any spelling: ``127.1`` is 127.0.0.1."""
    name = bare(host).lower()
    if name == "localhost":
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        try:
            if any(map(str.isspace, name)):  # of which inet_aton reads only what comes before
                return False
            address = ipaddress.ip_address(socket.inet_aton(name))
        except (OSError, ValueError):
            return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def bare(host: str) -> str:
    """Return an address without the brackets that one of IPv6 has in a URL."""
    return host[1:-1] if host.startswith("[") and host.endswith("]") else host


class Doorman:
    """Lets requests in that come from the page itself, or from no page at all; others get 403.

    A page of another site may make a browser send anything to this machine. It can't help that the browser says whose
    it is (``Origin``), nor by what name this machine was asked for (``Host``).

    Args:
        app: The ASGI application behind it.
        loopback: Whether ``Host`` must name this machine, so that no other site's name leads here.
    """

    def __init__(
        self, app: Callable[[Scope, Receive, Send], Awaitable[None]], loopback: bool
    ) -> None:
        self._app = app
        self._loopback = loopback

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or hand it on."""
        if scope["type"] == "lifespan" or self._may_enter(scope):
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})  # before it is accepted: 403
        else:
            await send({"type": "http.response.start", "status": 403, "headers": []})
            await send({"type": "http.response.body", "body": b"not from here"})

    def _may_enter(self, scope: Scope) -> bool:
        headers = scope["headers"]
        hosts = [value.decode("latin-1") for name, value in headers if name == b"host"]
        origins = [value.decode("latin-1") for name, value in headers if name == b"origin"]
        try:
            (host,) = hosts
            if self._loopback and not is_loopback(urlsplit(f"//{host}").hostname or ""):
                return False
            return all(urlsplit(origin).netloc.lower() == host.lower() for origin in origins)
        except ValueError:  # none or several hosts, or one that can't be read
            return False


def check_free(host: str, port: int) -> None:
    """See that the page can be served there.

    Raises:
        ValueError: The port is in use, or the host isn't this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        if os.name != "nt":  # there it would allow what is in use
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except socket.gaierror:
            raise ValueError(f"host must be an address of this machine, got {host!r}") from None
        except PermissionError:
            raise ValueError(
                f"port {port} needs more rights: crl-envs explore --port 8080"
            ) from None
        except OSError:
            if _is_foreign(host):
                raise ValueError(f"host must be an address of this machine, got {host!r}") from None
            other = port + 1 if port < 65535 else 8080
            raise ValueError(f"port {port} is in use: crl-envs explore --port {other}") from None


def page_url(host: str, port: int) -> str:
    """Where a browser on this machine finds the page."""
    if host in ("0.0.0.0", "::"):
        host = "127.0.0.1" if host == "0.0.0.0" else "::1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def open_browser(url: str) -> bool:
    """Open the page in a browser with windows; False where there is none, as on a headless machine."""
    windowless = sys.platform.startswith("linux") and not (
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    )
    if windowless:  # else a browser for terminals might be started
        return False
    try:
        return webbrowser.open(url)
    except (webbrowser.Error, OSError):
        return False


def serve(host: str, port: int, opens: bool) -> None:
    """Serve the page until interrupted.

    Args:
        host: To listen on.
        port: To listen on; see `check_free`.
        opens: Whether to open a browser.
    """
    from nicegui import app, ui

    from crl_envs.explorer.page import VISITS, explorer_page

    url = page_url(host, port)
    app.add_middleware(Doorman, loopback=is_loopback(host))

    def started() -> None:
        if opens and not open_browser(url):
            print(f"no browser could be opened here; open {url} in one", flush=True)

    app.on_startup(started)
    app.timer(_TENDED, VISITS.tend)
    ui.run(
        explorer_page,
        host=host,
        port=port,
        title="crl-envs explorer",
        favicon="🕸️",
        dark=None,
        language="en-GB",
        reload=False,
        show=False,
        tailwind=False,
        show_welcome_message=False,
        reconnect_timeout=RECONNECTS,
    )


def _is_foreign(host: str) -> bool:
    """Whether the address isn't one of this machine's: then no port of it can be bound."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        try:
            probe.bind((host, 0))
        except OSError:
            return True
    return False
