"""Pictures of environments: a graph scene for few agents, a heat map for many, text, a window and films.

`crl_envs.core.WorldEnv` imports this package when it is given a ``render_mode``, and matplotlib is imported when the
first picture is drawn.

| module | what it has |
|---|---|
| `palette` | the colours |
| `scene` | what a picture of a graph is made of |
| `picture` | what a world says about its states: the base of ``crl_envs.<world>.picture`` |
| `layout` | where the agents are drawn |
| `history` | what has been seen in the last steps |
| `canvas`, `graph`, `heatmap` | drawing with matplotlib |
| `text` | the mode ``ansi`` |
| `window` | the mode ``human`` |
| `film` | PNG, GIF and MP4 files |
| `renderer` | what an environment holds |
"""
