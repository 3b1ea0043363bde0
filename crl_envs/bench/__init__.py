"""Experiments: reproductions of the papers' figures, their intervals and their reports.

Learners are found by name, through the entry-point group ``crl_envs.learners``; nothing here imports one. Needs the
extra ``bench``.
"""
