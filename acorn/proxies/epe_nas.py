"""epe_nas: correlation of the input Jacobian within classes."""

import torch
from jaxtyping import Float
from torch import Tensor

from acorn.proxies._engine import JACOBIAN, Records, proxy
from acorn.proxies._math.channel_correlation import CONSTANT, EPSILON, correlation

MANY_CLASSES = 100


@proxy("epe_nas", reads=JACOBIAN, nulls={"nan": CONSTANT})
def epe_nas(records: Records) -> Float[Tensor, ""]:
    """Score of s_c = sum(log(|correlation| + k)) over the Jacobian rows of each class c.

    Up to 100 classes the score is sum |s_c|; beyond, s_c is divided by the number of rows of its
    class and the score is the mean over classes of sum |s_c - s_d|.

    Source: Lopes et al., EPE-NAS, ICANN 2021, equations 3 to 5, with k = 1e-5.
    """
    # All pairs at once, and then those within a class: picking rows would wait for the device.
    logs = (correlation(records.jacobian).abs() + EPSILON).log()
    alike = records.labels[:, None] == records.labels[None, :]
    scores = torch.where(alike, logs, 0.0).sum(dim=1)  # of each row; those of a class add up to s_c
    classes = scores.new_zeros(records.num_classes).index_add(0, records.labels, scores)
    if records.num_classes <= MANY_CLASSES:
        return classes.abs().sum()
    rows = torch.zeros_like(classes).index_add(0, records.labels, torch.ones_like(scores))
    means = classes / rows.clamp_min(1)
    both = (rows[:, None] > 0) & (rows[None, :] > 0)
    differences = torch.where(both, (means[:, None] - means[None, :]).abs(), 0.0)
    return differences.sum() / (rows > 0).sum()
