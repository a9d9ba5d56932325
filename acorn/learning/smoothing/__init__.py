"""Smooths labels before forests are fitted to them.

A label is what an architecture can reach plus the noise of its training runs. Similar architectures
and correlated targets and datasets tell the two apart: a Gaussian process over all architectures,
targets and datasets, and neural networks trained on the same labels, estimate what each
architecture would score without the noise.
"""

from acorn.learning.smoothing.expected import SmoothedLabels, expected_scores, mode_share

__all__ = ["SmoothedLabels", "expected_scores", "mode_share"]
