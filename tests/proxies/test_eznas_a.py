import itertools

import numpy as np
import pytest
import torch
from torch import nn

from acorn.proxies import run
from acorn.proxies._math.layer_programs import program
from tests.proxies.small import batch, cell_network


def naive(tensor: torch.Tensor) -> float:
    """The program, matrix by matrix."""
    total = 0.0
    for matrix in np.sign(tensor.double().numpy()).reshape(-1, *tensor.shape[-2:]):
        determinant = round(np.linalg.det(matrix))
        with np.errstate(divide="ignore", invalid="ignore"):
            log = np.log(float(determinant))
        log = 0.0 if np.isnan(log) else log
        total += (1 / (1 + np.exp(-log))) ** 2
    return float(np.sqrt(total))


@pytest.mark.parametrize("side", [1, 2, 3, 4, 5, 7])
def test_program(side: int) -> None:
    torch.manual_seed(side)
    tensor = torch.randn(6, 5, side, side)
    tensor[0, 0] = 0
    assert float(program(tensor)) == pytest.approx(naive(tensor), rel=1e-5)


def test_gradient_of_the_summed_logits_on_noise() -> None:
    network = cell_network()
    weights = [m.weight for m in network.modules() if isinstance(m, nn.Conv2d)]
    images, labels = batch()
    torch.manual_seed(7)
    noise = torch.randn_like(images.contiguous(memory_format=torch.channels_last))
    gradients = torch.autograd.grad(network(noise).sum(), weights, materialize_grads=True)
    expected = np.mean([naive(gradient) for gradient in gradients])
    got = run(cell_network(), images, labels, num_classes=4, proxies="eznas_a", seed=7)
    assert got.values["eznas_a"] == pytest.approx(expected, rel=1e-3)


def test_needs_a_square_convolution() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, (1, 3)), nn.Flatten(), nn.LazyLinear(4))
    network(torch.zeros(1, 3, 8, 8))
    result = run(network, *batch(), num_classes=4, proxies="eznas_a")
    assert "no convolution with a square kernel" in result.reasons["eznas_a"]


def all_sign_matrices(side: int) -> torch.Tensor:
    signs = torch.tensor([*itertools.product((-1.0, 1.0), repeat=side * side)])
    return signs.reshape(-1, side, side)
