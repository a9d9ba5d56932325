"""Explanations of a prediction by other architectures: similar ones, and those one edit away."""

from acorn.explanations.changes import Change, Changes, best_changes
from acorn.explanations.neighbourhood import NearestArchitecture, Neighbourhood

__all__ = ["Change", "Changes", "NearestArchitecture", "Neighbourhood", "best_changes"]
