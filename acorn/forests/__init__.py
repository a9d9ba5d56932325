"""Model bundles: forests, prediction intervals, outlier detection and attributions."""

from acorn.forests._trees.packed import PackedForest
from acorn.forests.bundle import Bundle, Importance, bounded
from acorn.forests.ensemble import Attribution, Ensemble, Member
from acorn.forests.intervals import Intervals
from acorn.forests.label_scale import LabelScale, Prediction
from acorn.forests.manifest import LabelSource, Manifest
from acorn.forests.outliers import OutlierDetector
from acorn.forests.training_set import TrainingSet
from acorn.forests.writing import write_bundle

__all__ = [
    "Attribution",
    "Bundle",
    "Ensemble",
    "Importance",
    "Intervals",
    "LabelScale",
    "LabelSource",
    "Manifest",
    "Member",
    "OutlierDetector",
    "PackedForest",
    "Prediction",
    "TrainingSet",
    "bounded",
    "write_bundle",
]
