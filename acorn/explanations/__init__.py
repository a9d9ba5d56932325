"""Explanations by other architectures: similar ones, those one edit away, and all of a space."""

from acorn.explanations.changes import Change, Changes, best_changes
from acorn.explanations.neighbourhood import NearestArchitecture, Neighbourhood
from acorn.explanations.proxy_percentiles import ProxyPercentile, ProxyPercentiles

__all__ = [
    "Change",
    "Changes",
    "NearestArchitecture",
    "Neighbourhood",
    "ProxyPercentile",
    "ProxyPercentiles",
    "best_changes",
]
