"""The bandit's experiments: over the number of agents, over noise, and over agents with neural learners.

In all of them ε = .1 is P ≥ .9, the level at which Figure 2 (right) of Bagnell & Ng (2005) can be reproduced. With few
agents the share of agents right moves in coarse steps: up to n = 16 the level asks for all of them, and of 64 at most
three may be wrong.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from crl_envs.bench.experiment import (
    Analysis,
    Experiment,
    Reference,
    Task,
    Value,
    comparison,
    scaling_verdict,
    score_verdict,
)
from crl_envs.bench.experiments.neural import LEARNERS, NEURAL, verdict
from crl_envs.bounds import (
    exploration_trials,
    least_squares_trials,
    local_trials_to,
    trials_lower_bound,
    uniform_exploration,
)

NOISY_AGENTS: Final = 64


def over_agents(n: int) -> Task:
    """Return the bandit with n agents."""
    return Task("crl/bandit-v0", {"n_agents": n})


def trials_enough(n: int) -> int:
    """Return Lemma 4.2's trials, after which all agents estimate both actions' rewards to within .3, in 95 %.

    That is half of what their means differ by, so that all act right.
    """
    return exploration_trials(n, 0.3, 0.05, 1, 2, 1, 1, uniform_exploration([1.0], 2))


def bounds_over_agents(values: Sequence[Value]) -> list[Reference]:
    """Return Theorem 3.1's lower bound, Lemma 4.2's upper one, and what local means and least squares take."""
    sizes = [int(value) for value in values]
    lower = [trials_lower_bound(n) for n in sizes]
    upper = [trials_enough(n) for n in sizes]
    least_squares = [least_squares_trials(n) for n in sizes]
    local = [local_trials_to()] * len(sizes)
    return [
        Reference("lower bound, global reward (Theorem 3.1)", sizes, lower),
        Reference("upper bound, local rewards, all right in 95 % (Lemma 4.2)", sizes, upper),
        Reference("least squares, theory", sizes, least_squares),
        Reference("local means, exact", sizes, local),
    ]


def verdict_over_agents(summary: Mapping[str, Any]) -> list[str]:
    """Say the exponents, and the global reward's price."""
    return [
        *scaling_verdict(summary, "n"),
        *comparison(summary, "n", "global-least-squares", "local-means"),
        *comparison(summary, "n", "reinforce-global", "reinforce-local"),
    ]


BANDIT_N: Final = Experiment(
    name="bandit-n",
    title="The bandit over the number of agents",
    statement="""\
The bandit over the number of agents: one state, one step, a hidden right action for each agent.

**Task.** ``crl/bandit-v0``: the right action pays 1 with probability .8, the wrong one with .2, and a trial is one
step. What is measured is the greedy read-out of what was learnt, of REINFORCE the policy that is executed, as the mean
reward of 256 trials. Its score, (U − ½)/(.8 − ½), is the P of the paper's Figure 2: twice the share of agents right,
less one.

**Varied.** n. Agents don't influence each other, so that the problem of each stays the same and only what the global
reward says about one of them changes: its share in that is 1/n.

**Held fixed.** The probabilities, which are the paper's, and the instance: the right actions are drawn once for each n,
and seeds draw the exploration and the rewards.

**A good learner.** From its own reward an agent needs the same eight trials or so whatever n is. From the global one
the number grows about as n for all known learners, and Theorem 3.1 says that it must grow as n / ln n at least. Both
are drawn, with the O(log n) of Lemma 4.2 and the theory of least squares.

**Not here.** `agents.DetectingMatrix` needs rewards without noise, and `agents.AdaptiveHalving` a number of trials that
is known beforehand: it stops learning there, so that it has no curve.

Bagnell & Ng 2005, "On Local Rewards and Scaling Distributed Reinforcement Learning", §3 (Theorem 3.1), §4 (Lemma 4.2)
and §5 (Figure 2).
""",
    knob="n",
    values=(16, 32, 64, 128, 256),
    quick=(16, 64),
    task=over_agents,
    # Least squares needs 5.8 n trials to P ≥ .9, correlation 7.5 n, and REINFORCE on the global reward some 20 n: all
    # arrive, with a margin for unlucky runs. Half as much would censor REINFORCE.
    budget=lambda n: 25 * n + 300,
    first=2,  # trials: learners from local rewards need about ten
    evaluations=32,
    episodes=256,  # at n = 16 their noise is .02 of a score, at n = 256 .005
    baselines=(
        "local-means",
        "global-least-squares",
        "global-least-squares-hadamard",
        "correlation",
        "reinforce-local",
        "reinforce-global",
        "random",
    ),
    analysis=Analysis(scaling=True, references=bounds_over_agents, verdict=verdict_over_agents),
)


def noisy(noise: float) -> Task:
    """Return the bandit whose wrong action pays as often as its right one doesn't."""
    pays = {"p_correct": round(1 - noise, 9), "p_wrong": noise}
    return Task("crl/bandit-v0", {"n_agents": NOISY_AGENTS, **pays})


def noisy_budget(noise: float) -> int:
    """Return trials, in hundreds: 1,000 and 2.5 times what least squares takes in theory.

    That is enough for correlation at every noise, and for REINFORCE on the global reward up to z = .3 in most runs.
    """
    in_theory = least_squares_trials(NOISY_AGENTS, p_correct=1 - noise, p_wrong=noise)
    return 100 * round((1000 + 2.5 * in_theory) / 100)


def laws_over_noise(values: Sequence[Value]) -> list[Reference]:
    """Return what least squares and local means take on average."""
    noises = [float(value) for value in values]
    least_squares = [least_squares_trials(NOISY_AGENTS, p_correct=1 - z, p_wrong=z) for z in noises]
    local = [local_trials_to(p_correct=1 - z, p_wrong=z) for z in noises]
    return [
        Reference("least squares, theory", noises, least_squares),
        Reference("local means, exact", noises, local),
    ]


def verdict_over_noise(summary: Mapping[str, Any]) -> list[str]:
    """Say final scores, and the global reward's price at the least and the most noise."""
    return [
        *score_verdict(summary, "noise"),
        *comparison(summary, "noise", "global-least-squares", "local-means"),
        *comparison(summary, "noise", "reinforce-global", "reinforce-local"),
    ]


BANDIT_NOISE: Final = Experiment(
    name="bandit-noise",
    title="The bandit over the noise in its rewards",
    statement="""\
The bandit over the noise in its rewards: how often the right action doesn't pay.

**Task.** ``crl/bandit-v0`` with 64 agents: the right action pays 1 with probability 1 − z, the wrong one with z. A
score is P, twice the share of agents right less one, whatever z is: the optimum, 1 − z, moves with it.

**Varied.** z = .1, .2 (the paper's), .3 and .4. At ½ there would be nothing to learn. A local learner has this noise in
its reward, a global one that of all 64 agents, and beside it the other agents' exploring.

**Held fixed.** n = 64, large enough for the global reward to be hard and small enough for z = .4 to be affordable; the
right actions.

**A good learner.** Least squares needs n (1 + 2.7 q) trials to P ≥ .9, q = z (1 − z)/(½ − z)² being noise over signal
variance; the 1 is the other agents' exploring. Local means need 6, 9, 17 and 67 trials by their exact law: a 27th to a
63rd of that, the less the noisier the rewards. Both are drawn.

Bagnell & Ng 2005, "On Local Rewards and Scaling Distributed Reinforcement Learning", §5 (Figure 2, at z = .2).
""",
    knob="noise",
    values=(0.1, 0.2, 0.3, 0.4),
    quick=(0.1, 0.3),
    task=noisy,
    budget=noisy_budget,
    first=2,  # trials: at z = .1 the local means need about five
    evaluations=32,
    episodes=1024,  # their noise is .003 of a score at z = .1 and .02 at .4, where rewards hardly differ
    # Random actions are left out: they score 0 by definition, and bandit-n shows that they do.
    baselines=(
        "local-means",
        "global-least-squares",
        "correlation",
        "reinforce-local",
        "reinforce-global",
    ),
    analysis=Analysis(scaling=False, references=laws_over_noise, verdict=verdict_over_noise),
)


BANDIT_NEURAL_N: Final = Experiment(
    **NEURAL,
    name="bandit-neural-n",
    title="The bandit with neural learners over the number of agents",
    statement="""\
The bandit with neural learners over the number of agents: what does the global reward cost PPO, DQN, MAPPO and QMIX?

**Task.** That of ``bandit-n``: ``crl/bandit-v0``, one state and one step, the right action pays 1 with probability .8,
the wrong one with .2. What is measured is the policy that is executed, of DQN, VDN, QMIX and the estimators the greedy
one, as the mean reward of 1,024 trials.

**Varied.** n. An agent's share in the global reward is 1/n.

**Held fixed.** The probabilities and the instance, as in ``bandit-n``, and the budget: 3,000 trials for every n.

**A good learner.** All that there is to learn is which action is whose right one, n bits, and nothing carries over from
one agent to another: a shared network must keep agents apart by their numbers, and sharing can only cost. Theorem 3.1's
bound, the theory of least squares and of local means, and the seeds' own learners stand beside. A need below 100 trials
reads as 100.

**Not here.** Learners whose network doesn't know for whom it acts: all agents observe the same, half of them are to do
one thing and half the other.

Bagnell & Ng 2005, "On Local Rewards and Scaling Distributed Reinforcement Learning", §3 (Theorem 3.1) and §5 (Figure
2). The algorithms' papers are named by `agents.libraries`.
""",
    task=over_agents,
    # All arrive with local rewards; with the global one the PPO of Stable-Baselines3 and of RLlib, and REINFORCE, do at
    # n = 50. A run of Stable-Baselines3's is then 150,000 agent steps, some ten seconds on a core.
    budget=lambda n: 3000,
    # At the first evaluation the local means have long arrived: bandit-n looks closer.
    episodes=1024,  # at n = 5 their noise is .02 of a score, at n = 50 .006
    baselines=(
        "local-means",
        "global-least-squares",
        "correlation",
        "reinforce-local",
        "reinforce-global",
        "random",
        *LEARNERS,
    ),
    analysis=Analysis(scaling=True, references=bounds_over_agents, verdict=verdict),
)
