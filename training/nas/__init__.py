"""Pareto search: the architectures that no other beats in everything at once."""
