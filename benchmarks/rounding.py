"""How far rounding alone moves a proxy: ``python -m benchmarks.rounding``.

GPUs since 2020 multiply convolutions in TensorFloat-32, ten bits of mantissa, unless told not to.
Here every operand of a convolution or matrix product is rounded to ten bits, on the same networks,
weights and images; what is left of a proxy's ranking is printed as Spearman's rho with itself.
"""

import argparse
from collections import defaultdict
from typing import Any

import torch
from scipy.stats import spearmanr
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map

from models.batches import embedded_batch
from models.datasets import get_dataset
from models.proxies import run
from models.spaces import get_space

PROXIES = ("grad_norm", "snip", "fisher", "jacob_fro", "jacov", "plain", "grasp")
_aten = torch.ops.aten
PRODUCTS = {
    _aten.convolution.default, _aten.convolution_backward.default,
    _aten.mm.default, _aten.addmm.default,
}  # fmt: skip


class TensorFloat32(TorchDispatchMode):
    """Rounds the operands of convolutions and matrix products to ten bits of mantissa."""

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if function in PRODUCTS:
            args = tree_map(_rounded, args)
        return function(*args, **(kwargs or {}))


def _rounded(value: object) -> object:
    if not (isinstance(value, Tensor) and value.dtype == torch.float32):
        return value
    bits = value.view(torch.int32)
    return ((bits + (1 << 12)) & ~((1 << 13) - 1)).view(torch.float32)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--functions", type=int, default=60)
    parser.add_argument("--batch-size", type=int, default=32)
    options = parser.parse_args()

    space, dataset = get_space("nats_tss"), get_dataset("cifar10")
    batch = embedded_batch(dataset, size=options.batch_size)
    plain, rounded = defaultdict(list), defaultdict(list)
    for arch in space.sample(options.functions, seed=0):
        torch.manual_seed(0)
        network = space.build(space.parse(arch).canonical, dataset)
        arguments = (network, batch.images, batch.labels)
        exact = run(*arguments, num_classes=10, proxies=PROXIES)
        with TensorFloat32():
            coarse = run(*arguments, num_classes=10, proxies=PROXIES)
        if exact.reasons or coarse.reasons:
            continue
        for name in PROXIES:
            plain[name].append(exact.values[name])
            rounded[name].append(coarse.values[name])
    print(f"{len(plain['snip'])} functions, batch of {options.batch_size}")
    for name in PROXIES:
        print(f"{name:10s} {spearmanr(plain[name], rounded[name]).statistic:.3f}")


if __name__ == "__main__":
    main()
