"""Learners and policies for agents on a graph that solve problems or hand them on to their neighbours."""
