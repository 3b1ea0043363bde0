"""The commands of ``crl-envs``, a module for each group; `crl_envs.bench.app` names them."""
