"""Scores of an experiment: arrays of returns in, numbers out.

- `crl_envs.bench.score.measures`: the returns that tasks are measured by, of random actions and the optimum; scores of
  runs (random = 0, optimum = 1), samples-to-ε, its exponent, and n*.
- `crl_envs.bench.score.statistics`: means, crossings and slopes with their intervals, for experiments and figures; IQM,
  performance profiles and probability of improvement over runs × tasks.
- `crl_envs.bench.score.results`: all of it for one experiment, as what JSON can hold, and for the runs of a folder,
  with a leaderboard.
"""
