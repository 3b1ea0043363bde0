"""The console script ``crl-envs``. Its commands are in `crl_envs.commands.app`."""

from __future__ import annotations

import sys
from importlib.util import find_spec

_NEEDED = (
    "filelock",
    "jinja2",
    "matplotlib",
    "packaging",
    "rich",
    "scipy",
    "typer",
)  # the extra `bench`


def main() -> None:
    """Run the command line; without the extra ``bench`` say how to get it and exit with code 2."""
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        from crl_envs.core.install import install_hint

        print(f"crl-envs needs {', '.join(missing)}: {install_hint('bench')}", file=sys.stderr)
        sys.exit(2)
    from crl_envs.commands.app import app

    app(prog_name="crl-envs")


if __name__ == "__main__":
    main()
