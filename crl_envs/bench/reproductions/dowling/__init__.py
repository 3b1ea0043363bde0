"""Dowling & Haridi (2008), §6: load balancing with collaborative reinforcement learning, Figures 6 to 13, and beyond.

Each section is a function of the options: it plays its runs and returns a picture, data, a table and a verdict.
A single one is ``crl-envs reproduce NAME``; all of them together ``crl-envs reproduce load-balancing``.
"""
