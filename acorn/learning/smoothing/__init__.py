"""Smooths labels before forests are fitted to them.

A label is the expected score of an architecture plus the noise of its training runs. Similar
architectures and correlated targets and datasets make it possible to separate the two: a Gaussian
process over all architectures, targets and datasets, and neural networks trained on the same
labels, estimate the score of each architecture without the noise.
"""

from acorn.learning.smoothing.expected import SmoothedLabels, expected_scores, mode_share

__all__ = ["SmoothedLabels", "expected_scores", "mode_share"]
