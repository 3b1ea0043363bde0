"""Learners of other people's libraries, as the bench takes them; a module is imported only when it is used.

| module | library | learners |
|---|---|---|
| `agents.libraries.sb3` | Stable-Baselines3, sb3-contrib | PPO, MaskablePPO, DQN: one policy for all agents; joint PPO |
| `agents.libraries.benchmarl` | BenchMARL on TorchRL | IPPO, MAPPO, VDN, QMIX |
| `agents.libraries.rllib` | Ray RLlib | PPO |
"""
