"""epe_nas: correlation of the input Jacobian within classes."""

import torch
from jaxtyping import Float
from torch import Tensor

from models.proxies.jacobian import EPSILON, correlation
from models.proxies.records import Records
from models.proxies.registry import Pass, proxy

MANY_CLASSES = 100


@proxy("epe_nas", reads=Pass.JACOBIAN)
def epe_nas(records: Records) -> Float[Tensor, ""]:
    """Score of s_c = sum(log(|correlation| + k)) over the Jacobian rows of each class c.

    Up to 100 classes the score is sum |s_c|; beyond, s_c is divided by the number of rows of its
    class and the score is the mean over classes of sum |s_c - s_d|.

    Source: Lopes et al., EPE-NAS, ICANN 2021, equations 3 to 5, with k = 1e-5.
    """
    scores = []
    for label in records.labels.unique():
        logs = (correlation(records.jacobian[records.labels == label]).abs() + EPSILON).log()
        rows = len(logs) if records.num_classes > MANY_CLASSES else 1
        scores.append(logs.sum() / rows)
    classes = torch.stack(scores)
    if records.num_classes <= MANY_CLASSES:
        return classes.abs().sum()
    return (classes[:, None] - classes[None, :]).abs().sum() / len(classes)
