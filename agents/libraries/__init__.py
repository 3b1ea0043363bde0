"""Learners of other people's libraries, as the bench takes them; a module is imported only when it is used.

| module | library | learners |
|---|---|---|
| `agents.libraries.sb3` | Stable-Baselines3, sb3-contrib | PPO, MaskablePPO, DQN with one policy for all; joint PPO |
| `agents.libraries.benchmarl` | BenchMARL on TorchRL | IPPO, MAPPO, VDN, QMIX |
| `agents.libraries.rllib` | Ray RLlib | PPO |
"""
