"""Forests: packed arrays, verified bundles, intervals and the domain of what was learned."""

from acorn.forests.bundle import Bundle, Importance, Prediction
from acorn.forests.ensemble import Attribution
from acorn.forests.manifest import Manifest
from acorn.forests.targets import find_target, is_target
from acorn.forests.trees.packed import PackedForest
from acorn.forests.writing import write_bundle

__all__ = [
    "Attribution",
    "Bundle",
    "Importance",
    "Manifest",
    "PackedForest",
    "Prediction",
    "find_target",
    "is_target",
    "write_bundle",
]
