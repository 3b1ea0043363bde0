"""Collaborative reinforcement learning."""
