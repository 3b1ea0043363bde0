"""The commands of ``crl-envs``, a module for each group; `crl_envs.commands.app` names them."""
