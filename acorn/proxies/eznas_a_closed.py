"""eznas_a_closed: the expected value of eznas_a, without running anything."""

from acorn.proxies._engine import SURVEY, Records, proxy

KAPPA = {1: 0.5, 2: 0.4167, 3: 0.4085, 4: 0.4211, 5: 0.4434, 6: 0.4724, 7: 0.5070}
"""Root mean square of EZNAS' program over all k x k matrices of signs, by k.

Half of the matrices that are not singular have a negative determinant and count as 1/2; up to
k = 4 by counting all, beyond from four million draws.
"""


@proxy("eznas_a_closed", reads=SURVEY)
def eznas_a_closed(records: Records) -> float:
    """Mean over convolutions of kappa_k sqrt(in * out / groups), k the side of their kernel.

    What :mod:`acorn.proxies.eznas_a` would be if the signs of gradients were independent and
    even, as at random weights they almost are. The derivation is ours.

    Cost: none.

    Source: Akhauri et al., EZNAS, NeurIPS 2022 (EZNAS-A).
    """
    kernels = [
        weight.shape
        for weight in records.weights
        if weight.dim() == 4 and weight.shape[-1] == weight.shape[-2]
    ]
    if not kernels:
        raise ValueError("the network has no convolution with a square kernel")
    largest = max(kernel[-1] for kernel in kernels)
    if largest not in KAPPA:
        raise ValueError(f"got a kernel of {largest} pixels; kappa is known up to 7 pixels")
    return sum(KAPPA[k] * (out * into) ** 0.5 for out, into, k, _ in kernels) / len(kernels)
