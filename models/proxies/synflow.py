"""synflow: synaptic flow."""

import torch
from jaxtyping import Float
from torch import Tensor

from models.proxies.records import Records
from models.proxies.registry import Pass, proxy


@proxy("synflow", reads=Pass.SYNFLOW)
def synflow(records: Records) -> Float[Tensor, ""]:
    """Natural log of the sum of |weight| * dR/d|weight|, R the summed logits on an input of ones.

    All parameters are made positive and BatchNorm is the identity, so that no term cancels. The
    sum grows with the product of all widths: hence double precision, and the log, which is also
    the form of the published values.

    Source: Tanaka et al., Pruning Neural Networks without any Data by Iteratively Conserving
    Synaptic Flow, NeurIPS 2020, equation 2.
    """
    return torch.stack(records.synflow).sum().log()
