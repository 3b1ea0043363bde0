"""``python -m crl_envs``: the same as ``crl-envs``."""

from crl_envs.cli import main

main()
