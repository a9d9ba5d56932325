"""vkdnw: entropy of the Fisher information's spectrum."""

import torch
from jaxtyping import Float
from torch import Tensor

from acorn.proxies._engine import FISHER_EIGEN, Records, proxy


@proxy("vkdnw", reads=FISHER_EIGEN, unstable=True)
def vkdnw(records: Records) -> Float[Tensor, ""]:
    """Entropy of the nine deciles of the Fisher information's eigenvalues, made to sum to one.

    Largest where the data determine all parameters equally well; by construction it does not
    grow with the network. Parameters are the first weight and bias of each layer and norm.

    Cost: a forward of 64 noise inputs and as many backwards as classes less one, two at most;
    see :mod:`acorn.proxies._engine.passes.fisher_eigen`.

    What the source leaves open: which parameters (the released code takes the first element of
    every parameter tensor; here those of torch's own layers and norms), and the classes, for each
    of which the released code runs a backward and here two random combinations stand. The class
    shares are smoothed by 5%, as in the released code. The number of layers, which the paper adds,
    is :mod:`acorn.proxies.trainable_layers`.

    Source: Tybl and Neumann, VKDNW, CVPR 2025.
    """
    steps = torch.arange(1, 10, dtype=torch.float64, device=records.fisher_eigenvalues.device) / 10
    deciles = torch.quantile(records.fisher_eigenvalues, steps)
    return torch.special.entr(deciles / deciles.sum()).sum()
