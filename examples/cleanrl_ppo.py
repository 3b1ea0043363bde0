"""PPO in one file on arrays, in the manner of CleanRL: every agent of every copy is a row, one network acts for all.

    python examples/cleanrl_ppo.py
    python examples/cleanrl_ppo.py --rewards global --n-agents 20

Needs torch. Schulman et al. (2017); the numbered details are what usually goes wrong:

1. Same-step autoreset: the observation after an episode's end is the next one's first, the last one is in
   ``infos["final_obs"]``. With Gymnasium's default, next-step, every episode is followed by a step that isn't one, and
   which mustn't be learnt from.
2. Truncation isn't termination: an episode that is cut off is continued in the value of its last observation.
3. Advantages are normalised over all agents of a minibatch together.
4. Rewards are local by default; with ``--rewards global`` all agents are given the mean, and the return that is printed
   is the same quantity either way.
"""

import argparse
import time

import numpy as np
import torch
from torch import nn
from torch.distributions import Categorical

import crl_envs
from crl_envs.wrappers import GlobalReward

parser = argparse.ArgumentParser()
parser.add_argument("--n-agents", type=int, default=5)
parser.add_argument("--copies", type=int, default=8)
parser.add_argument("--rewards", choices=["local", "global"], default="local")
parser.add_argument("--env-steps", type=int, default=24_000, help="of all copies together")
parser.add_argument("--rollout", type=int, default=50, help="steps of each copy between updates")
parser.add_argument("--learning-rate", type=float, default=3e-3)
parser.add_argument("--seed", type=int, default=1)
args = parser.parse_args()
GAMMA, LAMBDA, CLIP, EPOCHS, MINIBATCHES = 0.99, 0.95, 0.2, 4, 4

torch.manual_seed(args.seed)
torch.set_num_threads(1)
rng = np.random.default_rng(args.seed)

env = crl_envs.make_vec(
    "crl/sysadmin-v0", args.copies, autoreset_mode="SameStep", n_agents=args.n_agents
)  # detail 1
if args.rewards == "global":
    env = GlobalReward(env)
optimum = env.optimum().value
B, n, T = args.copies, args.n_agents, args.rollout


def one_hot(observations):
    """``(B, n)`` of {0, 1} to ``float32 (B·n, 2)``."""
    return torch.as_tensor(np.eye(2, dtype=np.float32)[observations.reshape(-1)])


def network(outputs):
    """Two hidden layers."""
    return nn.Sequential(
        nn.Linear(2, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, outputs)
    )


actor, critic = network(2), network(1)
optimizer = torch.optim.Adam([*actor.parameters(), *critic.parameters()], args.learning_rate)

observations, _ = env.reset(seed=args.seed)
seen = one_hot(observations)
playing, returns, begun = np.zeros(B), [], time.perf_counter()
for update in range(1, args.env_steps // (B * T) + 1):
    states = torch.zeros(T, B * n, 2)
    actions, logprobs, values = (torch.zeros(T, B * n) for _ in range(3))
    rewards, following, ended = (torch.zeros(T, B * n) for _ in range(3))
    for t in range(T):
        with torch.no_grad():
            policy = Categorical(logits=actor(seen))
            action = policy.sample()
            states[t], actions[t], logprobs[t] = seen, action, policy.log_prob(action)
            values[t] = critic(seen)[:, 0]
        observations, reward, terminated, truncated, infos = env.step(action.numpy().reshape(B, n))
        last = observations.copy()
        for b in np.flatnonzero(terminated | truncated):
            last[b] = infos["final_obs"][b]
        with torch.no_grad():
            cut = torch.as_tensor(np.repeat(~terminated, n))
            following[t] = critic(one_hot(last))[:, 0] * cut  # detail 2
        rewards[t] = torch.as_tensor(reward.reshape(-1))
        ended[t] = torch.as_tensor(np.repeat(terminated | truncated, n))
        playing += reward.mean(axis=1)
        over = terminated | truncated
        returns += playing[over].tolist()
        playing[over] = 0.0
        seen = one_hot(observations)

    advantages, carried = torch.zeros(T, B * n), torch.zeros(B * n)
    for t in reversed(range(T)):
        error = rewards[t] + GAMMA * following[t] - values[t]
        carried = error + GAMMA * LAMBDA * (1 - ended[t]) * carried
        advantages[t] = carried
    targets = advantages + values

    flat = [
        x.reshape(T * B * n, *x.shape[2:]) for x in (states, actions, logprobs, advantages, targets)
    ]
    for _ in range(EPOCHS):
        for part in np.array_split(rng.permutation(T * B * n), MINIBATCHES):
            state, action, old, advantage, target = (x[part] for x in flat)
            policy = Categorical(logits=actor(state))
            ratio = (policy.log_prob(action) - old).exp()
            advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)  # detail 3
            gain = torch.min(ratio * advantage, ratio.clamp(1 - CLIP, 1 + CLIP) * advantage).mean()
            loss = -gain + 0.5 * (critic(state)[:, 0] - target).pow(2).mean()
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_([*actor.parameters(), *critic.parameters()], 0.5)
            optimizer.step()

    if update % 10 == 0 or update == 1:
        speed = update * B * T * n / (time.perf_counter() - begun)
        print(
            f"env steps {update * B * T:6d}   return {np.mean(returns[-50:]):6.2f}   optimum {optimum:.2f}   "
            f"{speed:,.0f} agent-steps/s",
            flush=True,
        )
