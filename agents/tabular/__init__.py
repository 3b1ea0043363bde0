"""Learners of environments with few observations for each agent: policies and models as tables."""
