"""How many trials are needed: the formulas of Bagnell & Ng (2005), and the exact law of the bandit's learners.

A *trial* is one episode of T steps. Symbols: n agents, m trials, P performance. In `crl/bandit-v0` the right action
pays 1 with probability `p_correct`, the wrong one with `p_wrong`, and P = 2 · (share of agents right) − 1: 0 for
guessing, 1 when all are right.

- Only the global reward: `trials_lower_bound` (Theorem 3.1), `identification_lower_bound` (counting),
  `least_squares_performance` and `least_squares_trials`.
- Local rewards: `local_success`, `all_right`, `local_trials`, `local_trials_to` (exact); `entry_samples` and
  `exploration_trials` (Lemma 4.2), `model_trials` (Theorem 4.3), with `uniform_exploration` (Proposition 4.1), `reach`
  and `radius_of_influence` for their constants.

Bounds and theory are real numbers; numbers of trials that suffice are integers, rounded up. Logarithms are natural.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from crl_envs.core.arguments import (
    check_bool,
    check_choice,
    check_each,
    check_int,
    check_probability,
    check_real,
    check_size,
    shown,
)
from crl_envs.core.topology import Edges, graph_edges, is_graph, neighbors_of, sources_of

if TYPE_CHECKING:
    import networkx as nx

MOST_TRIALS: Final = 20_000  # of the exact sums, whose time grows as m²
PAIRS: Final = (
    2**22
)  # (start, node) pairs, and edges followed in a step, that `reach` holds at a time


# --- learning from the global reward ---


def trials_lower_bound(n: int, epsilon: float = 0.05) -> float:
    """Theorem 3.1: fewer trials leave some MDP on which a learner that sees only the global reward fails.

    The MDP has one state, T = 1 and two actions per agent, of which the right one pays 1 and the wrong one 0.
    To fail is to have E[U(π̂)] < max U − ε = 1 − ε, where U is the share of agents that act right. The proof
    (Hoeffding, and a union over the (n + 1)^m reward sequences) gives

        m ≥ (2 (½ − 2ε)² n + ln ¼) / ln(n + 1),

    which is what this returns, or 0 where it is negative. At the default ε = 0.05 it is the theorem's printed form,
    (0.32 n + ln ¼) / ln(n + 1), which holds for every smaller ε too, as the bound falls with ε. At ε ≥ ¼ the
    proof says nothing.

    Noise in the rewards doesn't lower it: the noisy global reward can be simulated from the noise-free one. There,
    E[P] ≥ 1 − 2ε is the aim that needs this many trials, so the default stands beside P ≥ 0.9.

    Args:
        n: Agents.
        epsilon: ε, the loss allowed, in [0, ¼], as a share of the agents.

    Raises:
        ValueError: An argument is out of its range.
    """
    n = check_int("n", n, low=1)
    epsilon = check_real("epsilon", epsilon, low=0, high=0.25)
    return max(0.0, (2 * (0.5 - 2 * epsilon) ** 2 * n + math.log(0.25)) / math.log(n + 1))


def identification_lower_bound(n: int) -> float:
    """Trials without which no deterministic learner can be sure of every agent's right action: n ln 2 / ln(n + 1).

    Counting: m global rewards take at most (n + 1)^m values, and each of the 2^n instances needs one of its own.
    Of the same order as `trials_lower_bound`; it asks for more, all n agents right in every instance, and is higher.

    Args:
        n: Agents; the rewards are noise-free, of T = 1 and two actions.

    Raises:
        ValueError: n < 1.
    """
    n = check_int("n", n, low=1)
    return n * math.log(2) / math.log(n + 1)


def noise_to_signal(p_correct: float = 0.8, p_wrong: float = 0.2) -> float:
    """Noise variance over signal variance of one agent's reward: 16/9 = 1.778 at 0.8 and 0.2.

    With its action coded ±1 and drawn fairly, an agent's reward is a constant, plus ±(p_correct − p_wrong)/2 (the
    signal), plus noise of variance p (1 − p), averaged over the two actions' p.

    Raises:
        ValueError: A probability outside [0, 1], or p_correct ≤ p_wrong.
    """
    p_correct, p_wrong = _check_better(p_correct, p_wrong)
    noise = (p_correct * (1 - p_correct) + p_wrong * (1 - p_wrong)) / 2
    return noise / ((p_correct - p_wrong) / 2) ** 2


def least_squares_performance(
    n: int, m: float, p_correct: float = 0.8, p_wrong: float = 0.2
) -> float:
    """Theory of P after m trials of global least squares: 2 Φ(z) − 1, for large n.

    The learner draws actions uniformly, codes them ±1, fits the global reward by minimum-norm least squares with an
    intercept and then acts by each coefficient's sign. With q = `noise_to_signal` and γ = m / n, a coefficient is
    Gaussian around its true value b or its shrunk value γ b. Its error's variance, for a design of independent columns,
    is b² q / (γ − 1) above γ = 1, from the noise alone. Below it is b² (γ (1 − γ) + q γ / (1 − γ)), from the other
    agents' coefficients and from the noise. So

        z² = (γ − 1) / q                          if γ > 1,
        z² = γ (1 − γ) / ((1 − γ)² + q)           if γ < 1,

    and z = 0 at γ = 1 with noise: the double descent. (γ < 1 isn't in the paper, which has no theory of this learner.)

    Args:
        n: Agents. The error is O(1/n) away from m = n; there the dip is a little less deep than 0.
        m: Trials; a real number, for curves.
        p_correct: Probability that the right action pays.
        p_wrong: Probability that the wrong action pays.

    Returns:
        P in [0, 1].

    Raises:
        ValueError: An argument is out of its range, or p_correct ≤ p_wrong.
    """
    n = check_int("n", n, low=1)
    gamma = check_real("m", m, low=0) / n
    ratio = noise_to_signal(p_correct, p_wrong)
    if gamma >= 1:
        square = (gamma - 1) / ratio if ratio else math.inf
    else:
        square = gamma * (1 - gamma) / ((1 - gamma) ** 2 + ratio)
    return math.erf(math.sqrt(square / 2))


def least_squares_trials(
    n: int, performance: float = 0.9, p_correct: float = 0.8, p_wrong: float = 0.2
) -> float:
    """Theory of the trials after which global least squares stays at P: n (1 + q z²), z = Φ⁻¹((1 + P) / 2).

    q = `noise_to_signal` (1.778 by default): the inverse of `least_squares_performance` on m ≥ n, so its last
    up-crossing of P. Linear in n: 5.81 n trials for P = 0.9, 1.18 n for P = 0.25.

    Args:
        n: Agents.
        performance: P, in [0, 1).
        p_correct: Probability that the right action pays.
        p_wrong: Probability that the wrong action pays.

    Raises:
        ValueError: An argument is out of its range, or p_correct ≤ p_wrong.
    """
    n = check_int("n", n, low=1)
    performance = _check_below_one("performance", performance)
    z = NormalDist().inv_cdf((1 - performance) / 2)  # the lower tail's: no rounding to 1
    return n * (1 + noise_to_signal(p_correct, p_wrong) * z**2)


# --- learning from the local rewards ---


def local_success(
    m: int,
    p_correct: float = 0.8,
    p_wrong: float = 0.2,
    *,
    ties: float = 0.5,
    unseen: float = 0.0,
) -> float:
    """Exact probability that the local learner picks an agent's right action after m trials.

    In each trial the agent draws its action uniformly and sees its own reward. Then it picks the action with the
    higher mean reward; an action never tried counts as `unseen` (the paper's footnote 4: 0). Summed over how often
    the right action was tried, Binomial(m, ½), and how often each of the two paid; all terms are positive, so the
    result is accurate to about 1e-12. Time grows as m²: half a second at 3,000.

    P = 2 · success − 1 is .30 at m = 1, .766 at 5, .946 at 10 and .996 at 20.

    Args:
        m: Trials, at most 20,000.
        p_correct: Probability that the right action pays.
        p_wrong: Probability that the wrong action pays.
        ties: Probability that equal means go to the right action: ½ for a fair coin, and also for a fixed action if
            the right one is hidden uniformly (as in `crl/bandit-v0`).
        unseen: Mean of an action that was never tried.

    Raises:
        ValueError: An argument is out of its range.
    """
    return 1 - _checked_failure(m, p_correct, p_wrong, ties, unseen)


def all_right(
    n: int,
    m: int,
    p_correct: float = 0.8,
    p_wrong: float = 0.2,
    *,
    ties: float = 0.5,
    unseen: float = 0.0,
) -> float:
    """Exact probability that all n local learners pick their right action after m trials: `local_success` to the n.

    The agents' draws and rewards are independent. Accurate for success close to 1 as well: the probability of a
    failure is what is summed.

    Args:
        n: Agents.
        m: Trials, at most 20,000.
        p_correct: Probability that the right action pays.
        p_wrong: Probability that the wrong action pays.
        ties: Probability that equal means go to the right action.
        unseen: Mean of an action that was never tried.

    Raises:
        ValueError: An argument is out of its range.
    """
    n = check_int("n", n, low=1)
    return _all_right(n, _checked_failure(m, p_correct, p_wrong, ties, unseen))


def local_trials(
    n: int,
    probability: float = 0.5,
    p_correct: float = 0.8,
    p_wrong: float = 0.2,
    *,
    unseen: float = 0.0,
) -> int:
    """Trials after which all n local learners are right with at least this probability; grows as ln n.

    7 at n = 10, 25 at 1,000, 44 at 100,000. Ties are fair: then success rises with every trial (tied means that go to
    one side make it rise and fall), and the smallest m is found by bisection.

    Args:
        n: Agents.
        probability: In [0, 1).
        p_correct: Probability that the right action pays.
        p_wrong: Probability that the wrong action pays.
        unseen: Mean of an action that was never tried.

    Raises:
        ValueError: An argument is out of its range, p_correct ≤ p_wrong, or more than 20,000 trials are needed.
    """
    n = check_int("n", n, low=1)
    probability = _check_below_one("probability", probability)
    return _fewest(
        lambda failure: _all_right(n, failure) >= probability, p_correct, p_wrong, unseen
    )


def local_trials_to(
    performance: float = 0.9,
    p_correct: float = 0.8,
    p_wrong: float = 0.2,
    *,
    unseen: float = 0.0,
) -> int:
    """Trials after which the local learners' expected P = 2 · success − 1 is at least this; for any n the same.

    Ties are fair. Args and errors as in `local_trials`, with `performance` in [0, 1).

    Raises:
        ValueError: An argument is out of its range, p_correct ≤ p_wrong, or more than 20,000 trials are needed.
    """
    performance = _check_below_one("performance", performance)
    return _fewest(lambda failure: 1 - 2 * failure >= performance, p_correct, p_wrong, unseen)


# --- learning a model from the local rewards ---


class Exploration(NamedTuple):
    """Constants of a (ρ, ν)-exploration policy (the paper's Definition before Proposition 4.1).

    In a trial, for every agent, every state of its neighbourhood and every action of its own, the policy has at least
    probability ν ρ^B of taking that action in that state; B is the largest neighbourhood's size, the agent included.
    """

    rho: float
    nu: float

    def visit(self, neighborhood: int) -> float:
        """ν ρ^B, with B = `neighborhood`."""
        return float(self.nu * self.rho**neighborhood)


def uniform_exploration(start: Sequence[float], n_actions: int) -> Exploration:
    """Proposition 4.1: uniformly random actions explore with ρ = the rarest start state's probability, ν = 1/|A|.

    Args:
        start: Probabilities of an agent's states at the first step, drawn independently for each agent; where
            agents differ, give the one with the smallest minimum.
        n_actions: |A|.

    Raises:
        ValueError: The probabilities aren't all positive or don't sum to 1, or n_actions < 1.
    """
    n_actions = check_int("n_actions", n_actions, low=1)
    shares = check_each("start", start, check_real, low=0, high=1, open_low=True)
    if abs(math.fsum(shares) - 1) > 1e-9:
        raise ValueError(f"start must sum to 1, got {shares}")
    return Exploration(min(shares), 1 / n_actions)


def entry_samples(
    n: int,
    accuracy: float,
    delta: float,
    n_states: int,
    n_actions: int,
    neighborhood: int,
    constant: str = "hoeffding",
) -> float:
    """Return c of Lemma 4.2: samples of each entry with which all are ε₀-accurate, with probability ≥ 1 − δ/2.

    Hoeffding for one entry with c samples is P(error > ε₀) ≤ 2 exp(−2 ε₀² c), and there are n |A| |S|^(B+1) entries of
    CPTs and n |A| |S| of rewards. Solved for c, the union over them is

        c = ln(4 n |A| (|S|^(B+1) + |S|) / δ) / (2 ε₀²)        "hoeffding"
        c = (2 / ε₀²) ln(4 n |A| |S|^(B+1) / δ)                "printed"

    The second is what the paper's proof prints: the factor is four times the one that its inequality gives, and the
    rewards, which it counts in words, aren't in the logarithm. It suffices as well, since
    4 ln(4x/δ) ≥ ln(8x/δ): 2.7 to 4 times as many samples as the first.

    Args:
        n: Agents.
        accuracy: ε₀, in (0, 1].
        delta: δ, in (0, 1].
        n_states: |S|, of one agent.
        n_actions: |A|, of one agent.
        neighborhood: B, the largest neighbourhood, the agent itself included.
        constant: ``"hoeffding"`` or ``"printed"``.

    Raises:
        ValueError: An argument is out of its range.
    """
    n = check_int("n", n, low=1)
    accuracy = check_real("accuracy", accuracy, low=0, high=1, open_low=True)
    delta = check_real("delta", delta, low=0, high=1, open_low=True)
    n_states = check_int("n_states", n_states, low=1)
    n_actions = check_int("n_actions", n_actions, low=1)
    neighborhood = check_int("neighborhood", neighborhood, low=1)
    check_choice("constant", constant, ("hoeffding", "printed"))
    tables = math.log(n) + math.log(n_actions) + neighborhood * math.log(n_states)
    entries = tables + math.log(n_states)
    if constant == "printed":
        return (math.log(4) + entries - math.log(delta)) * 2 / accuracy / accuracy
    entries += math.log1p(math.exp(-neighborhood * math.log(n_states)))
    return (math.log(4) + entries - math.log(delta)) / 2 / accuracy / accuracy


def exploration_trials(
    n: int,
    accuracy: float,
    delta: float,
    n_states: int,
    n_actions: int,
    neighborhood: int,
    horizon: int,
    exploration: Exploration,
    constant: str = "hoeffding",
) -> int:
    """Lemma 4.2: trials of an exploring policy after which every estimate is ε₀-accurate, with probability ≥ 1 − δ.

    The estimates are all p̂(s_i' | s_neigh(i), a_i) and R̂_i(s_i, a_i), as frequencies and means. The paper states the
    order and sketches the proof; here are its constants:

    1. Each entry needs c samples, `entry_samples`. (This c holds for all sample counts ≥ c at once, by the maximal
       inequality for the reverse martingale of the means, so that the number of visits may be random.)
    2. Each of the n |A| |S|^B configurations is sampled m ν ρ^B times in expectation, at most T times a trial, and
       Hoeffding says P(fewer than c) ≤ exp(−2 (m ν ρ^B − c)² / (m T²)). A union with δ/2 needs
       m ν ρ^B − c ≥ T √(m L / 2), L = ln(2 n |A| |S|^B / δ); the smallest such m is returned.

    O(log n): both logarithms are linear in ln n, and m is linear in them. Counting at most one visit a trial is valid
    as well and makes the second step free of T: call with ``horizon=1`` for that smaller number.

    Args:
        n: Agents.
        accuracy: ε₀, in (0, 1].
        delta: δ, in (0, 1].
        n_states: |S|, of one agent.
        n_actions: |A|, of one agent.
        neighborhood: B, the largest neighbourhood, the agent itself included.
        horizon: T, in steps.
        exploration: ρ and ν.
        constant: Of `entry_samples`.

    Raises:
        ValueError: An argument is out of its range, or ν ρ^B is so small that the number isn't finite.
    """
    samples = entry_samples(n, accuracy, delta, n_states, n_actions, neighborhood, constant)
    horizon = check_int("horizon", horizon, low=1)
    visit = _check_exploration(exploration).visit(neighborhood)

    tables = math.log(n) + math.log(n_actions) + neighborhood * math.log(n_states)
    spread = horizon * math.sqrt((math.log(2) + tables - math.log(delta)) / 2)
    # visit · x² − spread · x − samples ≥ 0, x = √m
    root = (spread + math.sqrt(spread * spread + 4 * visit * samples)) / 2
    root = root / visit if visit else math.inf
    if not math.isfinite(root * root):
        raise ValueError(
            f"accuracy, neighborhood and exploration must give a finite number of trials, "
            f"got accuracy={accuracy:g}, ν ρ^B={visit:g}"
        )
    return math.ceil(root * root)


def model_trials(
    n: int,
    epsilon: float,
    delta: float,
    n_states: int,
    n_actions: int,
    neighborhood: int,
    horizon: int,
    radius: int,
    exploration: Exploration,
    constant: str = "hoeffding",
) -> int:
    """Theorem 4.3: trials after which the best policy in the learnt model is ε-optimal in its class, w.p. ≥ 1 − δ.

    `exploration_trials` at ε₀ = ε / (2 |S| r(T) T (T + 1)). The proof's steps: replacing one agent's tables changes a
    Bellman backup by at most ε₀/n in the reward and, as a value function varies by at most r(T) T / n in one agent's
    state, by |S| ε₀ r(T) T / n in the rest: together at most ε₀ |S| r(T) (T + 1) / n. (The paper's bound of one term
    lacks the |S|; its sum and its ε₀ have it.) Over n agents and T backups that is ε/2, for either policy compared.

    Holds for classes in which an agent's action depends on its own or its neighbourhood's state only: an
    action that depends on all states would carry influence beyond r(T). Any such class, however large; finding
    its best policy is another matter. Far from tight in anything but n: O(log n) if r(T) is bounded.

    Args:
        n: Agents.
        epsilon: ε, the loss of utility allowed, in (0, T]: U is the sum over T steps of the mean reward, in [0, T].
        delta: δ, in (0, 1].
        n_states: |S|, of one agent.
        n_actions: |A|, of one agent.
        neighborhood: B, the largest neighbourhood, the agent itself included.
        horizon: T, in steps.
        radius: r(T), as in `radius_of_influence`.
        exploration: ρ and ν.
        constant: Of `entry_samples`.

    Raises:
        ValueError: An argument is out of its range, or the number isn't finite.
    """
    horizon = check_int("horizon", horizon, low=1)
    epsilon = check_real("epsilon", epsilon, low=0, high=horizon, open_low=True)
    n_states = check_int("n_states", n_states, low=1)
    radius = check_int("radius", radius, low=1)
    accuracy = epsilon / (2 * n_states * radius * horizon * (horizon + 1))
    if not accuracy:
        raise ValueError(f"epsilon must be larger for a finite number of trials, got {epsilon:g}")
    return exploration_trials(
        n, accuracy, delta, n_states, n_actions, neighborhood, horizon, exploration, constant
    )


def reach(edges: Edges | nx.Graph, n: int, t: int, *, directed: bool = False) -> NDArray[np.int64]:
    """Number of nodes within t steps of each node, itself included; exact, by breadth-first search from every node.

    Args:
        edges: ``int64[E, 2]`` pairs (source, target), as in a world's ``edges``, or a networkx graph, whose nodes are
            numbered as `crl_envs.core.topology.graph_edges` says.
        n: Nodes.
        t: Steps, ≥ 0.
        directed: Follow edges from source to target only: the nodes that a change can affect within t steps. By
            default either way: the paper's neighbourhood graph, whose relation is symmetric. The two agree on a graph
            with all edges in both directions; otherwise the directed numbers are smaller.

    Returns:
        ``int64[n]``. The time grows with its sum times the mean degree: seconds for a sum of 10⁷.

    Raises:
        ValueError: An argument is out of its range, or the edges name other nodes than 0 … n − 1.
    """
    n = check_size("n", check_int("n", n, low=1), 64)
    t = check_int("t", t, low=0)
    pairs = _check_edges(edges, n)
    directed = check_bool("directed", directed)
    indptr, indices = sources_of(pairs[:, ::-1], n) if directed else neighbors_of(pairs, n)
    result = np.empty(n, np.int64)
    block = max(1, min(n, PAIRS // max(n, indices.size)))
    stamp = np.full(block * n, -1, np.int64)  # of pair (start, node): −1 until it is reached
    for begin in range(0, n, block):
        starts = np.arange(min(block, n - begin))
        frontier = starts * n + starts + begin
        stamp[frontier] = 0
        reached, count = [frontier], starts.size
        for _ in range(t):
            if not frontier.size or count == starts.size * n:
                break
            start, node = np.divmod(frontier, n)
            degree = indptr[node + 1] - indptr[node]
            ends = np.cumsum(degree)
            offset = np.arange(ends[-1]) - np.repeat(ends - degree - indptr[node], degree)
            found = np.repeat(start * n, degree) + indices[offset]
            found = found[stamp[found] < 0]
            order = np.arange(found.size)
            stamp[found] = order  # of equal pairs one stays
            frontier = found[stamp[found] == order]
            reached.append(frontier)
            count += frontier.size
        visited = np.concatenate(reached)
        stamp[visited] = -1
        result[begin : begin + starts.size] = np.bincount(visited // n, minlength=starts.size)
    return result


def radius_of_influence(edges: Edges | nx.Graph, n: int, t: int, *, directed: bool = False) -> int:
    """r(t): the largest number of nodes within t steps of any node, itself included; the maximum of `reach`.

    On a ring min(n, 2t + 1), on a directed ring followed one way min(n, t + 1), on a square lattice at most
    2 t (t + 1) + 1, anywhere at most B^t. Theorem 4.3's proof needs only the nodes that a node can affect, so
    ``directed=True`` is valid in `model_trials` if no agent acts on the state of agents that have no edge to it.

    Args and errors as in `reach`.

    Raises:
        ValueError: An argument is out of its range, or the edges name other nodes than 0 … n − 1.
    """
    return int(reach(edges, n, t, directed=directed).max())


# --- sums and checks ---


def _binomial(m: int, p: float) -> NDArray[np.float64]:
    """``float64[m + 1]``: Binomial(m, p)'s probabilities, by their ratios from the mode outwards."""
    mass = np.zeros(m + 1)
    if p in (0, 1):
        mass[m if p else 0] = 1
        return mass
    mode = min(int((m + 1) * p), m)
    mass[mode] = 1
    s = np.arange(mode, m)
    mass[mode + 1 :] = np.cumprod((m - s) / (s + 1) * (p / (1 - p)))
    s = np.arange(mode, 0, -1)
    mass[:mode] = np.cumprod(s / (m - s + 1) * ((1 - p) / p))[::-1]
    mass /= mass.sum()
    return mass


def _checked_failure(m: int, p_correct: float, p_wrong: float, ties: float, unseen: float) -> float:
    return _failure(
        check_int("m", m, low=0, high=MOST_TRIALS),
        check_probability("p_correct", p_correct),
        check_probability("p_wrong", p_wrong),
        check_probability("ties", ties),
        check_real("unseen", unseen),
    )


def _failure(m: int, p_correct: float, p_wrong: float, ties: float, unseen: float) -> float:
    """Probability that the local learner picks the wrong action after m trials."""
    total = 0.0
    for k, weight in enumerate(_binomial(m, 0.5).tolist()):  # k of m trials of the right action
        if weight == 0:  # less than 1e-300
            continue
        right, wrong = _binomial(k, p_correct), _binomial(m - k, p_wrong)
        above = np.append(np.cumsum(wrong[::-1])[::-1], 0.0)  # P(wrong action's successes ≥ ·)
        if 0 < k < m:
            level, rest = np.divmod(np.arange(k + 1) * (m - k), k)
            loses = above[level + 1] + np.where(rest, 0.0, (1 - ties) * wrong[level])
        elif k == 0:
            mean = np.arange(m + 1) / m if m else np.array([unseen])
            loses = np.array(
                [wrong[mean > unseen].sum() + (1 - ties) * wrong[mean == unseen].sum()]
            )
        else:
            mean = np.arange(m + 1) / m
            loses = 1.0 * (mean < unseen) + (1 - ties) * (mean == unseen)
        total += weight * float(right @ loses)
    return min(total, 1.0)


def _all_right(n: int, failure: float) -> float:
    return math.exp(n * math.log1p(-failure)) if failure < 1 else 0.0


def _fewest(
    enough: Callable[[float], bool], p_correct: float, p_wrong: float, unseen: float
) -> int:
    """The smallest m whose failure probability is `enough`, which must be monotone in it."""
    p_correct, p_wrong = _check_better(p_correct, p_wrong)
    unseen = check_real("unseen", unseen)

    def suffices(m: int) -> bool:
        return enough(_failure(m, p_correct, p_wrong, 0.5, unseen))

    if suffices(0):
        return 0
    low, high = 0, 1
    while not suffices(high):
        if high == MOST_TRIALS:
            raise ValueError(
                f"p_correct and p_wrong must differ more for an answer of at most {MOST_TRIALS} trials, "
                f"got {p_correct:g} and {p_wrong:g}"
            )
        low, high = high, min(2 * high, MOST_TRIALS)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if suffices(middle) else (middle, high)
    return high


def _check_better(p_correct: Any, p_wrong: Any) -> tuple[float, float]:
    p_correct = check_probability("p_correct", p_correct)
    p_wrong = check_probability("p_wrong", p_wrong)
    if p_correct <= p_wrong:
        raise ValueError(f"p_correct must be > p_wrong = {p_wrong:g}, got {p_correct:g}")
    return p_correct, p_wrong


def _check_below_one(name: str, value: Any) -> float:
    number = check_real(name, value, low=0, high=1)
    if number == 1:
        raise ValueError(
            f"{name} must be < 1: no finite number of trials makes it sure, got {shown(value)}"
        )
    return number


def _check_exploration(exploration: Any) -> Exploration:
    try:
        rho, nu = exploration
    except (TypeError, ValueError):
        raise ValueError(
            f"exploration must be Exploration(rho, nu), got {shown(exploration)}"
        ) from None
    return Exploration(
        check_real("exploration.rho", rho, low=0, high=1, open_low=True),
        check_real("exploration.nu", nu, low=0, high=1, open_low=True),
    )


def _check_edges(edges: Edges | nx.Graph, n: int) -> Edges:
    if is_graph(edges):
        if edges.number_of_nodes() != n:
            raise ValueError(f"n must be the graph's {edges.number_of_nodes()} nodes, got {n}")
        return graph_edges(edges)
    pairs = np.asarray(edges)
    if pairs.ndim != 2 or pairs.shape[1] != 2 or not np.issubdtype(pairs.dtype, np.integer):
        raise ValueError(
            f"edges must be integers of shape (E, 2), got {pairs.dtype} of shape {pairs.shape}"
        )
    if pairs.size and (pairs.min() < 0 or pairs.max() >= n):
        raise ValueError(f"edges must name nodes 0 … {n - 1}, got {pairs.min()} … {pairs.max()}")
    return pairs.astype(np.int64)
