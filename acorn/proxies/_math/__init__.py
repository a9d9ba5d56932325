"""Closed forms, decompositions and reductions that several proxies share."""
