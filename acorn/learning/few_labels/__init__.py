"""Learns from few labels or none, with the features of a population of unlabelled architectures.

With ten labels, forests know too little: a split needs several labels on each side. Three things
help. Features are relative to a population of the same space, whose members need no label. A prior
says that accuracy rises with size, depth and some proxies. A Gaussian process is smooth, so that a
label also tells about similar architectures. The mean of several such small models is better than
each of them. Without a label, the prior alone ranks architectures.
"""

from acorn.learning.few_labels.blend import Estimate, Inputs, estimate
from acorn.learning.few_labels.columns import prior_ranks
from acorn.learning.few_labels.ranks import fit_ranks, rank_intervals

__all__ = ["Estimate", "Inputs", "estimate", "fit_ranks", "prior_ranks", "rank_intervals"]
