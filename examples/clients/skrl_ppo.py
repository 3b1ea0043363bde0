"""IPPO and MAPPO of skrl: ``python examples/clients/skrl_ppo.py``.

skrl's networks take vectors, hence ``encode="onehot"``. MAPPO's critics see ``env.state()``.
"""

import torch
from outcome import WORLD, mean_return, report
from skrl.envs.wrappers.torch import wrap_env
from skrl.memories.torch import RandomMemory
from skrl.models.torch import CategoricalMixin, DeterministicMixin, Model
from skrl.multi_agents.torch.ippo import IPPO, IPPO_CFG
from skrl.multi_agents.torch.mappo import MAPPO, MAPPO_CFG
from skrl.trainers.torch import SequentialTrainer
from skrl.utils import set_seed

import crl_envs

STEPS, ROLLOUT = 4_000, 200  # environment steps


def network(inputs, outputs):
    """Return a small network."""
    return torch.nn.Sequential(
        torch.nn.Linear(inputs, 32), torch.nn.Tanh(), torch.nn.Linear(32, outputs)
    )


class Policy(CategoricalMixin, Model):
    """Logits of what the agent observes."""

    def __init__(self, **spaces):
        Model.__init__(self, **spaces)
        CategoricalMixin.__init__(self)
        self.net = network(self.num_observations, self.num_actions)

    def compute(self, inputs, role):
        """Return the logits."""
        return self.net(inputs["observations"]), {}


class Value(DeterministicMixin, Model):
    """The value of what the agent observes, or of the state of all."""

    def __init__(self, of, **spaces):
        Model.__init__(self, **spaces)
        DeterministicMixin.__init__(self)
        self.of = of
        self.net = network(self.num_states if of == "states" else self.num_observations, 1)

    def compute(self, inputs, role):
        """Return the value."""
        return self.net(inputs[self.of]), {}


def learn(algorithm, configuration, critic_sees):
    """Train, and return what the policies earn."""
    set_seed(1)
    env = wrap_env(crl_envs.make("crl/sysadmin-v0", encode="onehot", **WORLD), wrapper="pettingzoo")
    models, memories = {}, {}
    for agent in env.possible_agents:
        spaces = {
            "observation_space": env.observation_space(agent),
            "state_space": env.state_space(agent),
            "action_space": env.action_space(agent),
        }
        models[agent] = {"policy": Policy(**spaces), "value": Value(critic_sees, **spaces)}
        memories[agent] = RandomMemory(memory_size=ROLLOUT, num_envs=env.num_envs)
    none = {agent: {} for agent in env.possible_agents}  # skrl 2.1 refuses its own default, {}
    cfg = configuration(
        rollouts=ROLLOUT,
        learning_epochs=8,
        mini_batches=2,
        learning_rate=1e-2,
        discount_factor=0.9,
        time_limit_bootstrap=True,  # otherwise advantages reach across the ends of episodes
        learning_rate_scheduler_kwargs=none,
        observation_preprocessor_kwargs=none,
        state_preprocessor_kwargs=none,
        value_preprocessor_kwargs=none,
    )
    cfg.experiment.write_interval = cfg.experiment.checkpoint_interval = 0
    agents = algorithm(
        possible_agents=env.possible_agents,
        models=models,
        memories=memories,
        observation_spaces=env.observation_spaces,
        state_spaces=env.state_spaces,
        action_spaces=env.action_spaces,
        cfg=cfg,
    )
    trainer = {"timesteps": STEPS, "headless": True, "disable_progressbar": True}
    SequentialTrainer(env=env, agents=agents, cfg=trainer).train()

    def act(observations):
        rows = torch.tensor(observations)
        policies = [models[agent]["policy"] for agent in env.possible_agents]
        return [p.net(row).argmax() for p, row in zip(policies, rows, strict=True)]

    return mean_return(act)


torch.set_num_threads(1)
report(learn(IPPO, IPPO_CFG, "observations"), "IPPO: ")
report(learn(MAPPO, MAPPO_CFG, "states"), "MAPPO: ")
