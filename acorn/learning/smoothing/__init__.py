"""Smooths labels before forests are fitted to them.

A label is the expected score of an architecture plus the noise of its training runs. Similar
architectures and correlated targets and datasets make it possible to separate the two: a Gaussian
process over all architectures, targets and datasets, and neural networks trained on the same
labels, estimate the score of each architecture without the noise. For few and diverse
architectures in groups, a process with effects of groups and categories does.
"""

from acorn.learning.smoothing.expected import (
    MixedScores,
    SmoothedLabels,
    expected_scores,
    mixed_scores,
    mode_share,
)
from acorn.learning.smoothing.mixed_process import Factors, MixedProcess

__all__ = [
    "Factors",
    "MixedProcess",
    "MixedScores",
    "SmoothedLabels",
    "expected_scores",
    "mixed_scores",
    "mode_share",
]
