"""PPO in one file on the dicts of a ParallelEnv: ``python examples/clients/pettingzoo_ppo.py``.

The way of PettingZoo's tutorial in CleanRL's style. One network for all agents; a batch is one step of all of them.
"""

import numpy as np
import torch
from outcome import WORLD, mean_return, report
from torch import nn
from torch.distributions import Categorical

import crl_envs

EPISODES, PER_UPDATE, EPOCHS = 400, 10, 8
GAMMA, LAMBDA, CLIP = 0.9, 0.95, 0.2

torch.manual_seed(1)
torch.set_num_threads(1)
env = crl_envs.make("crl/sysadmin-v0", encode="onehot", **WORLD)
agents = env.possible_agents
size, acts = env.observation_space(agents[0]).shape[0], env.action_space(agents[0]).n
body = nn.Sequential(nn.Linear(size, 32), nn.Tanh(), nn.Linear(32, acts + 1))  # logits, value
optimiser = torch.optim.Adam(body.parameters(), lr=1e-2)


def batch(by_agent):
    """Return a tensor with a row for each agent."""
    return torch.tensor(np.stack([by_agent[agent] for agent in agents]), dtype=torch.float32)


def distribution(seen):
    """Return the distribution of actions, and the value."""
    out = body(seen)
    return Categorical(logits=out[..., :-1]), out[..., -1]


def episode(seed):
    """Play one episode; return observations, actions, log probabilities, advantages and returns ``[T, n]``."""
    steps = []
    observations, _ = env.reset(seed=seed)
    while env.agents:
        seen = batch(observations)
        chances, value = distribution(seen)
        action = chances.sample()
        observations, rewards, _, _, _ = env.step(dict(zip(agents, action.tolist(), strict=True)))
        steps.append((seen, action, chances.log_prob(action), value, batch(rewards)))
    seen, action, logp, value, reward = map(torch.stack, zip(*steps, strict=True))
    # The horizon cuts the episode off: the value of what is seen then stands for the rest.
    following = torch.cat([value[1:], distribution(batch(observations))[1][None]])
    error = reward + GAMMA * following - value
    advantage = torch.zeros_like(error)
    for t in reversed(range(len(error))):
        later = advantage[t + 1] if t + 1 < len(error) else 0.0
        advantage[t] = error[t] + GAMMA * LAMBDA * later
    return seen, action, logp, advantage, advantage + value


for k in range(0, EPISODES, PER_UPDATE):
    with torch.no_grad():
        played = [episode(k + i) for i in range(PER_UPDATE)]
    seen, action, logp, advantage, returns = (
        torch.stack(x).flatten(0, 2) for x in zip(*played, strict=True)
    )
    advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(seen)).split(250):
            chances, value = distribution(seen[rows])
            ratio = (chances.log_prob(action[rows]) - logp[rows]).exp()
            gain = torch.min(
                ratio * advantage[rows], ratio.clip(1 - CLIP, 1 + CLIP) * advantage[rows]
            )
            loss = (
                -gain.mean()
                + 0.5 * (value - returns[rows]).square().mean()
                - 0.01 * chances.entropy().mean()
            )
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()

with torch.no_grad():
    report(mean_return(lambda seen: body(torch.tensor(seen))[:, :-1].argmax(-1)))
