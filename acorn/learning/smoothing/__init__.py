"""Smoothing labels before forests are grown on them.

What a function is labelled with is what it can reach plus the luck of its training runs. Functions
that are alike, and targets and datasets that go together, tell the two apart: a Gaussian process
over all functions, targets and datasets, and networks that learn from the same labels, say what
each function would score without the luck.
"""

from acorn.learning.smoothing.expected import Smooth, expect, most_common

__all__ = ["Smooth", "expect", "most_common"]
