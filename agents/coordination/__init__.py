"""Learners of what fits the others' actions: cures of independent learning, values of joint actions."""
