"""Independent PPO with TorchRL on a ring of five machines: ``python examples/torchrl_ippo.py``.

Every agent learns from its own reward; all share one policy and one critic, which know the agent's number.
"""

import torch
from tensordict.nn import TensorDictModule
from torchrl.collectors import Collector
from torchrl.data import LazyTensorStorage, ReplayBuffer, SamplerWithoutReplacement
from torchrl.modules import MultiAgentMLP, ProbabilisticActor
from torchrl.objectives import ClipPPOLoss, ValueEstimators

from crl_envs import make
from crl_envs.adapters.torchrl import make_env

WORLD = {"n_agents": 5, "horizon": 50}
FRAMES = 800  # environment steps between updates


def network(env, outputs):
    """A network of what each agent observes, with the same weights for all agents."""
    inputs = env.observation_spec["agents", "observation"].shape[-1]
    return MultiAgentMLP(inputs, outputs, env.n_agents, centralized=False, share_params=True,
                         depth=2, num_cells=64, activation_class=torch.nn.Tanh)  # fmt: skip


def mean_return(policy=None, episodes=100):
    """Mean over agents and episodes; of random actions without a policy."""
    env = make_env("crl/sysadmin-v0", episodes, agent_ids=True, seed=1000, **WORLD)
    with torch.no_grad():
        env.rollout(WORLD["horizon"], policy)
    return sum(e.local_return for e in env.tally.episodes) / episodes


def main(frames=16_000):
    """Learn, and return what the policy earns before and after."""
    torch.manual_seed(0)
    env = make_env("crl/sysadmin-v0", 8, agent_ids=True, seed=0, **WORLD)
    logits = TensorDictModule(network(env, 2), [("agents", "observation")], [("agents", "logits")])
    policy = ProbabilisticActor(
        logits, in_keys=[("agents", "logits")], out_keys=[("agents", "action")],
        distribution_class=torch.distributions.Categorical, return_log_prob=True,
        log_prob_key=("agents", "log_prob"),
    )  # fmt: skip
    critic = TensorDictModule(network(env, 1), [("agents", "observation")], [("agents", "value")])
    loss = ClipPPOLoss(policy, critic, entropy_coeff=0.01)
    # The done keys of the group: targets bootstrap where an episode is truncated, not where it terminates.
    names = ("action", "reward", "done", "terminated", "value", "advantage", "value_target")
    loss.set_keys(sample_log_prob=("agents", "log_prob"), **{k: ("agents", k) for k in names})
    loss.make_value_estimator(ValueEstimators.GAE, gamma=0.99, lmbda=0.95)
    optimiser = torch.optim.Adam(loss.parameters(), lr=1e-3)
    buffer = ReplayBuffer(storage=LazyTensorStorage(FRAMES), batch_size=200,
                          sampler=SamplerWithoutReplacement())  # fmt: skip
    before = mean_return(policy)
    for batch in Collector(env, policy, frames_per_batch=FRAMES, total_frames=frames):
        with torch.no_grad():
            loss.value_estimator(batch)
        buffer.extend(batch.reshape(-1))
        for _ in range(10 * FRAMES // 200):
            losses = loss(buffer.sample())
            optimiser.zero_grad()
            sum(losses[k] for k in ("loss_objective", "loss_critic", "loss_entropy")).backward()
            torch.nn.utils.clip_grad_norm_(loss.parameters(), 1.0)
            optimiser.step()
    return before, mean_return(policy)


if __name__ == "__main__":
    best = make("crl/sysadmin-v0", **WORLD).unwrapped.optimum().value
    print(f"random {mean_return():.1f}, best {best:.1f}")
    print("before {:.1f}, after {:.1f}".format(*main()))
