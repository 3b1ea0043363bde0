"""Scores of an experiment: arrays of returns in, numbers out.

- `crl_envs.bench.score.logs`: the returns of a learner's runs on a task, and scores (random = 0, optimum = 1).
- `crl_envs.bench.score.samples`: samples-to-ε, its scaling exponent, and n*.
- `crl_envs.bench.score.aggregates`: IQM, performance profiles and probability of improvement over runs × tasks.
- `crl_envs.bench.score.summary`: all of it for one experiment, as what JSON can hold.
- `crl_envs.bench.score.sweep_scores`: all of it for the runs of a folder, and a leaderboard.
- `crl_envs.bench.score.resampling`: the bootstrap of samples-to-ε and of its exponent, all resamples at once.
"""
