"""Scores of an experiment: arrays of returns in, numbers out.

- `crl_envs.bench.score.landmarks`: the returns that tasks are measured by: of random actions, and the optimum.
- `crl_envs.bench.score.samples`: scores of runs (random = 0, optimum = 1), samples-to-ε, its exponent, and n*.
- `crl_envs.bench.score.aggregates`: IQM, performance profiles and probability of improvement over runs × tasks.
- `crl_envs.bench.score.summary`: all of it for one experiment, as what JSON can hold.
- `crl_envs.bench.score.results`: all of it for the runs of a folder, and a leaderboard.
- `crl_envs.bench.score.intervals`: means, crossings and slopes with their intervals, for experiments and figures.
"""
