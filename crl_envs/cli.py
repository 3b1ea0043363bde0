"""The console script ``crl-envs``. Its commands are in `crl_envs.commands.app`."""

from __future__ import annotations

import errno
import io
import os
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
    """Run the command line; without the extra ``bench`` say how to get it and exit with code 2.

    A letter that the terminal or the file can't hold, as ε in ASCII, is written as a question mark.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        from crl_envs.core.install import install_hint

        print(f"crl-envs needs {', '.join(missing)}: {install_hint('bench')}", file=sys.stderr)
        sys.exit(2)
    try:
        from crl_envs.commands.app import app

        try:
            app(prog_name="crl-envs")
        finally:
            sys.stdout.flush()
    except KeyboardInterrupt:  # a command hasn't begun yet, or has ended
        sys.exit(130)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EPIPE):
            raise
        print(f"error: {error.strerror}", file=sys.stderr)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # else Python tries once more when it ends
        sys.exit(2)


if __name__ == "__main__":
    main()
