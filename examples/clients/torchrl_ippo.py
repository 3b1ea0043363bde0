"""IPPO in TorchRL through its own PettingZooWrapper: ``python examples/clients/torchrl_ippo.py``.

The wrapper makes tensors of the infos, hence ``infos="numeric"``. agent_0 … agent_4 are its group "agent".
"""

import torch
from outcome import WORLD, mean_return, report
from tensordict.nn import TensorDictModule
from torchrl.collectors import Collector
from torchrl.data import LazyTensorStorage, ReplayBuffer, SamplerWithoutReplacement
from torchrl.envs import PettingZooWrapper
from torchrl.modules import MultiAgentMLP, ProbabilisticActor
from torchrl.objectives import ClipPPOLoss, ValueEstimators

import crl_envs

FRAMES, BATCHES = 400, 12  # environment steps between updates, number of updates

torch.manual_seed(1)
torch.set_num_threads(1)
env = PettingZooWrapper(
    crl_envs.make("crl/sysadmin-v0", encode="onehot", infos="numeric", **WORLD),
    categorical_actions=True,
    seed=1,
)


def network(outputs):
    """Return a network with weights of its own for each agent."""
    inputs = env.observation_spec["agent", "observation"].shape[-1]
    return MultiAgentMLP(
        inputs, outputs, WORLD["n_agents"], centralized=False, share_params=False,
        depth=1, num_cells=32, activation_class=torch.nn.Tanh,
    )  # fmt: skip


logits = network(2)
policy = ProbabilisticActor(
    TensorDictModule(logits, [("agent", "observation")], [("agent", "logits")]),
    in_keys=[("agent", "logits")],
    out_keys=[("agent", "action")],
    distribution_class=torch.distributions.Categorical,
    return_log_prob=True,
    log_prob_key=("agent", "log_prob"),
)
critic = TensorDictModule(network(1), [("agent", "observation")], [("agent", "value")])
loss = ClipPPOLoss(policy, critic, entropy_coeff=0.01)
names = ("action", "reward", "done", "terminated", "value", "advantage", "value_target")
loss.set_keys(sample_log_prob=("agent", "log_prob"), **{k: ("agent", k) for k in names})
loss.make_value_estimator(ValueEstimators.GAE, gamma=0.9, lmbda=0.95)
optimiser = torch.optim.Adam(loss.parameters(), lr=1e-2)
buffer = ReplayBuffer(
    storage=LazyTensorStorage(FRAMES), batch_size=100, sampler=SamplerWithoutReplacement()
)
for batch in Collector(env, policy, frames_per_batch=FRAMES, total_frames=FRAMES * BATCHES):
    with torch.no_grad():
        loss.value_estimator(batch)
    buffer.extend(batch)
    for _ in range(8 * FRAMES // 100):
        losses = loss(buffer.sample())
        optimiser.zero_grad()
        sum(losses[k] for k in ("loss_objective", "loss_critic", "loss_entropy")).backward()
        optimiser.step()

with torch.no_grad():
    report(mean_return(lambda seen: logits(torch.tensor(seen)).argmax(-1)))
