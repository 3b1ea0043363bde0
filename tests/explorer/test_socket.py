"""Who gets a session: a browser that opens the page's own socket; nobody else. A few outlive their pages."""

from __future__ import annotations

import asyncio
import re
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from crl_envs.explorer.visits import MOST_KEPT
from tests.explorer.served import explorer

pytest.importorskip("nicegui", reason="needs the extra explore")
aiohttp = pytest.importorskip("aiohttp")
socketio = pytest.importorskip("socketio")

# The command, in a process that says how many sessions there are whenever one begins.
COUNTING = """
import gc, sys, weakref
from crl_envs.explorer import page, server
from crl_envs.cli import main

class Counted(page.Session):
    alive = weakref.WeakSet()

    def __init__(self, task):
        super().__init__(task)
        gc.collect()
        Counted.alive.add(self)
        print("sessions:", len(Counted.alive), flush=True)

page.Session = Counted
server.RECONNECTS = 1.0
sys.exit(main())
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("explorer")


@pytest.fixture(scope="module")
def url(folder: Path) -> Iterator[str]:
    with explorer(folder, start=("-c", COUNTING)) as address:
        yield address


def fetch(url: str, **headers: str) -> tuple[int, str]:
    """Status and text of what a plain GET brings."""
    request = urllib.request.Request(url, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code, ""


def visit(url: str, **headers: str) -> None:
    """Load the page and open its socket, until the first update of the page has come."""

    async def opened() -> None:
        _, page = await asyncio.to_thread(fetch, url)
        (client_id,) = set(re.findall(r"client_id[^0-9a-f]+([0-9a-f-]{36})", page))
        query = f"client_id={client_id}&next_message_id=0&implicit_handshake=true"
        ids = f"tab_id={uuid.uuid4()}&document_id={uuid.uuid4()}"
        async with aiohttp.ClientSession() as http:
            client, updated = socketio.AsyncClient(http_session=http), asyncio.Event()
            client.on("update", lambda *_: updated.set())
            await client.connect(
                f"{url}?{query}&{ids}",
                socketio_path="/_nicegui_ws/socket.io",
                transports=["websocket"],
                headers=headers,
                wait_timeout=60,
            )
            await asyncio.wait_for(updated.wait(), 60)
            await client.disconnect()

    asyncio.run(opened())


def sessions(folder: Path) -> list[int]:
    """How many there were, each time when one had begun."""
    return [int(n) for n in re.findall(r"sessions: (\d+)", (folder / "server.log").read_text())]


def test_only_a_socket_begins_a_session_and_few_outlive_their_pages(url: str, folder: Path) -> None:
    before = sessions(folder)
    for _ in range(3):
        assert fetch(url)[0] == 200
    assert sessions(folder) == before
    count = MOST_KEPT + 3
    for _ in range(count):
        visit(url)
    assert len(sessions(folder)) == len(before) + count
    end = time.monotonic() + 240
    while sessions(folder)[-1] > MOST_KEPT + 2:  # with the new one, and one that is being dropped
        assert time.monotonic() < end, sessions(folder)
        time.sleep(4.0)  # for a second the server waits for the page to come back
        visit(url)


SOCKET = "/_nicegui_ws/socket.io/?EIO=4&transport=polling"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Origin": "{url}"}, 200),
        ({"Origin": "http://localhost:1", "Host": "localhost:1"}, 200),  # a tunnel
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "http://127.0.0.1:1"}, 403),  # another server on this machine
        ({"Origin": "null"}, 403),
        ({"Host": "evil.example"}, 403),
        ({"Host": "127.0.0.1.evil.example", "Origin": "http://127.0.0.1.evil.example"}, 403),
        ({"Host": "[::1"}, 403),
    ],
    ids=str,
)
def test_only_its_own_page_reaches_the_socket(url: str, headers: Any, status: int) -> None:
    headers = {name: value.format(url=url) for name, value in headers.items()}
    assert fetch(url + SOCKET, **headers)[0] == status


def test_a_foreign_page_opens_no_websocket(url: str, folder: Path) -> None:
    before = sessions(folder)
    with pytest.raises(socketio.exceptions.ConnectionError):
        visit(url, Origin="http://evil.example")
    assert sessions(folder) == before
    visit(url, Origin=url)
    assert len(sessions(folder)) == len(before) + 1
