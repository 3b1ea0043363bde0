"""The command: what it refuses, what it warns of, and what it says where no browser can be opened."""

from __future__ import annotations

import importlib.metadata
import shlex
import socket
import webbrowser

import pytest
from typer.testing import CliRunner, Result

from crl_envs.commands.app import app
from crl_envs.explorer import server


def call(line: str) -> Result:
    return CliRunner(env={"COLUMNS": "160"}).invoke(app, shlex.split(line))


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int, bool]]:
    """What would have been served."""
    calls: list[tuple[str, int, bool]] = []
    monkeypatch.setattr(server, "serve", lambda *arguments: calls.append(arguments))
    monkeypatch.setattr(server, "check_free", lambda host, port: None)
    return calls


def test_a_port_in_use_is_said_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "serve", lambda *_: pytest.fail("it must not be served"))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = call(f"explore --port {port}")
    assert result.exit_code == 2
    assert result.output == f"error: port {port} is in use: crl-envs explore --port {port + 1}\n"


def test_an_address_of_another_machine_is_refused() -> None:
    result = call("explore --host 192.0.2.1 --port 8123")  # kept for documentation: RFC 5737
    assert result.exit_code == 2
    assert result.output == "error: host must be an address of this machine, got '192.0.2.1'\n"


@pytest.mark.parametrize("port", ["0", "65536", "http"])
def test_a_bad_port_is_refused(port: str) -> None:
    assert call(f"explore --port {port}").exit_code == 2


def test_a_missing_extra_is_said_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def version(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr("crl_envs.adapters.library.version", version)
    result = call("explore")
    assert result.exit_code == 2
    assert "nicegui isn't installed" in result.output
    assert "pip install 'crl-envs[explore]'" in result.output
    assert "Traceback" not in result.output


def test_the_default_is_this_machine_only(served: list[tuple[str, int, bool]]) -> None:
    result = call("explore")
    assert served == [("127.0.0.1", 8080, True)]
    assert "warning" not in result.output
    assert "http://127.0.0.1:8080" in result.output


@pytest.mark.parametrize("host", ["127.1", "0x7f.1", "[::1]", "::1", "localhost", "127.0.0.2"])
def test_this_machine_by_any_name_is_this_machine_only(
    served: list[tuple[str, int, bool]], host: str
) -> None:
    result = call(f"explore --host {host}")
    assert served == [(host.strip("[]"), 8080, True)]
    assert "warning" not in result.output


@pytest.mark.parametrize("host, opened", [("0.0.0.0", "127.0.0.1"), ("192.168.7.7", "192.168.7.7")])
def test_what_others_can_reach_is_warned_of(
    served: list[tuple[str, int, bool]], host: str, opened: str
) -> None:
    result = call(f"explore --host {host} --port 9000 --no-browser")
    assert served == [(host, 9000, False)]
    assert f"warning: whoever reaches port 9000 of {host}" in result.output
    assert f"http://{opened}:9000" in result.output


@pytest.mark.parametrize(
    "host, expected",
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("127.1", True),
        ("0x7f.1", True),
        ("2130706433", True),
        ("::1", True),
        ("[::1]", True),
        ("::ffff:127.0.0.1", True),
        ("localhost", True),
        ("LOCALHOST", True),
        ("0.0.0.0", False),
        ("0", False),
        ("", False),
        ("127.0.0.1.example.org", False),
        ("127.0.0.1 example.org", False),
        ("localhost.example.org", False),
        ("::", False),
        ("192.168.1.2", False),
        ("example.org", False),
    ],
)
def test_loopback(host: str, expected: bool) -> None:
    assert server.is_loopback(host) is expected


def test_a_free_port_is_free_again_after_the_check() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server.check_free("127.0.0.1", port)
    server.check_free("127.0.0.1", port)


def test_no_browser_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server.sys, "platform", "linux")
    monkeypatch.setattr(webbrowser, "open", lambda url: pytest.fail("there are no windows"))
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    assert server.open_browser("http://127.0.0.1:8080") is False

    def missing(url: str) -> bool:
        raise webbrowser.Error("could not locate runnable browser")

    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(webbrowser, "open", missing)
    assert server.open_browser("http://127.0.0.1:8080") is False
