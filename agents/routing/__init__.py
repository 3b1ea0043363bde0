"""Learners that forward packets: what they keep is a number for each destination and neighbour."""
