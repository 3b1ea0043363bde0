"""How fast do radios find channels around a ring, as there are more of them?"""

from crl_envs.bench.experiment import comparison, scaling_verdict
from crl_envs.bench.experiments import Analysis, Experiment, Task


def task(n):
    return Task("mine/channels-v0", {"n_agents": n})


def verdict(summary):
    return [
        *scaling_verdict(summary, "n"),
        *comparison(summary, "n", "reinforce-global", "reinforce-local"),
    ]


EXPERIMENT = Experiment(
    name="channels-n",
    version=1,
    title="Channels around a ring, over the number of radios",
    statement=__doc__,
    knob="n",
    values=(4, 8, 16),
    quick=(4, 8),
    task=task,
    budget=lambda n: 500 * 20,  # episodes × steps
    first=20,
    evaluations=8,
    unit="env steps",
    episodes=64,
    epsilon=0.3,  # a ring in two stretches that alternate in opposite ways isn't good enough
    baselines=("reinforce-local", "reinforce-global", "random"),
    analysis=Analysis(scaling=True, verdict=verdict),
)
