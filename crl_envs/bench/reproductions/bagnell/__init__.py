"""Bagnell & Ng (2005), §3 and §5: the bandit, Figure 2."""
