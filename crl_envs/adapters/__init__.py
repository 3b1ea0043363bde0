"""Ways into other people's libraries, one module a library, imported only when it is used.

| module | for | gives |
|---|---|---|
| `crl_envs.adapters.sb3` | Stable-Baselines3 and sb3-contrib | a VecEnv of all agents; the joint single agent |
| `crl_envs.adapters.torchrl` | TorchRL | an ``EnvBase`` of arrays; PettingZoo's wrapper with the right arguments |
| `crl_envs.adapters.benchmarl` | BenchMARL | a ``TaskClass`` |
| `crl_envs.adapters.rllib` | Ray RLlib's new API stack | a ``MultiAgentEnv`` |
| `crl_envs.adapters.epymarl` | EPyMARL | a Gymnasium env with Tuple spaces and a list of rewards |
| `crl_envs.adapters.agilerl` | AgileRL | a vectorised ParallelEnv with observations that its networks take |

This package itself imports none of them. Importing a module whose library is missing or too old raises
`MissingLibraryError`, which says what to install.
"""

from crl_envs.adapters.library import MissingLibraryError

__all__ = ["MissingLibraryError"]
