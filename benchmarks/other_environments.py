"""The conformance kit on environments that many people use: the tables of ``docs/findings.md``.

    pip install 'pettingzoo[sisl,butterfly,classic]==1.27.0' mpe2==1.1.1 magent2==0.3.4 momaland==0.2.0
    python -m benchmarks.other_environments
    python -m benchmarks.other_environments mpe2.simple_spread_v3

They aren't needed for anything else here, and best installed in an environment of their own.
"""

from __future__ import annotations

import argparse
import os
import time
import warnings
from importlib import import_module
from typing import Any

from crl_envs.testing import Settings, find_faults

MPE = ("adversary_v3", "crypto_v3", "push_v3", "reference_v3", "speaker_listener_v4", "spread_v3")
MPE += ("tag_v3", "v3", "world_comm_v3", "formation_v1", "line_v1")
MAGENT = ("adversarial_pursuit_v4", "combined_arms_v6", "tiger_deer_v4")
# Nothing is random in these once the actions are given.
MAGENT_FIXED = ("battle_v4", "battlefield_v5", "gather_v5")
MOMALAND = (
    "beach.mobeach_v0",
    "gem_mining.mogem_mining_v0",
    "item_gathering.moitem_gathering_v0",
    "multiwalker_stability.momultiwalker_stability_v0",
    "pistonball.mopistonball_v0",
    "route_choice.moroute_choice_v0",
)

ENVIRONMENTS: dict[str, Settings] = {
    **{f"mpe2.simple_{name}": {} for name in MPE},
    "mpe2.collect_treasure_v1": {},
    "pettingzoo.sisl.multiwalker_v9": {},
    "pettingzoo.sisl.pursuit_v5": {},
    "pettingzoo.butterfly.cooperative_pong_v6": {},
    "pettingzoo.butterfly.knights_archers_zombies_v11": {},
    "pettingzoo.butterfly.pistonball_v6": {},
    "pettingzoo.classic.rps_v2": {"stochastic": False},
    **{f"magent2.environments.{name}": {} for name in MAGENT},
    **{f"magent2.environments.{name}": {"stochastic": False} for name in MAGENT_FIXED},
    **{f"momaland.envs.{name}": {"vector_rewards": True} for name in MOMALAND},
    **{
        f"momaland.envs.crazyrl.{name}.{name}_v0": {"vector_rewards": True, "stochastic": False}
        for name in ("catch", "escort", "surround")
    },
}


def make(name: str) -> Any:
    """Make an environment of a module that has ``parallel_env``."""
    return import_module(name).parallel_env()


def main() -> None:
    """Check the environments that are named, or all, and print what is found."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="by default all of them")
    names = parser.parse_args().names or list(ENVIRONMENTS)
    if unknown := [name for name in names if name not in ENVIRONMENTS]:
        parser.error(f"unknown: {', '.join(unknown)}; known: {', '.join(ENVIRONMENTS)}")
    os.environ.setdefault("SDL_VIDEODRIVER", "dummy")  # pygame then needs no display
    warnings.simplefilter("ignore")
    for name in names:
        begun = time.process_time()
        found = find_faults(lambda name=name: make(name), **ENVIRONMENTS[name])  # type: ignore[misc]
        said = ", ".join(f"{key}={value}" for key, value in ENVIRONMENTS[name].items())
        print(f"{name} ({said}) {time.process_time() - begun:.0f} CPU s: {len(found)} findings")
        for fault in found:
            print(f"    {fault}", flush=True)


if __name__ == "__main__":
    main()
