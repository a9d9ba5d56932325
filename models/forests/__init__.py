"""Forests: packed arrays, verified bundles, intervals and the domain of what was learned."""

from models.forests.bundle import Bundle, Importance, Prediction
from models.forests.ensemble import Attribution
from models.forests.manifest import Manifest
from models.forests.packed import PackedForest
from models.forests.targets import find_target, is_target
from models.forests.writing import write_bundle

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
