"""Learners of the bandit: one state, one step, two actions for each agent."""
