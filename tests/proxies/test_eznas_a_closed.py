import pytest
import torch
from torch import nn

from acorn.proxies import run
from acorn.proxies._math.layer_programs import program
from acorn.proxies.eznas_a_closed import KAPPA
from tests.proxies.small import batch, cell_network
from tests.proxies.test_eznas_a import all_sign_matrices


@pytest.mark.parametrize("side", [1, 2, 3, 4])
def test_kappa_is_the_mean_over_all_sign_matrices(side: int) -> None:
    matrices = all_sign_matrices(side)
    assert KAPPA[side] == pytest.approx(float(program(matrices)) / len(matrices) ** 0.5, abs=1e-4)


@pytest.mark.parametrize("side", [5, 6, 7])
def test_kappa_of_random_sign_matrices(side: int) -> None:
    torch.manual_seed(0)
    matrices = torch.randn(100_000, side, side)
    assert KAPPA[side] == pytest.approx(float(program(matrices)) / len(matrices) ** 0.5, abs=0.004)


def test_mean_over_convolutions() -> None:
    network = nn.Sequential(
        nn.Conv2d(3, 4, 1), nn.Conv2d(4, 6, 3, groups=2), nn.Flatten(), nn.Linear(216, 4)
    )
    got = run(network, *batch(), num_classes=4, proxies="eznas_a_closed").values["eznas_a_closed"]
    assert got == pytest.approx((KAPPA[1] * 12**0.5 + KAPPA[3] * 12**0.5) / 2)


def test_is_near_what_is_measured() -> None:
    """Signs of neighbouring weights' gradients agree more often than not: hence below one."""
    values = run(cell_network(), *batch(), num_classes=4, proxies="eznas_a").values
    closed = run(cell_network(), *batch(), num_classes=4, proxies="eznas_a_closed").values
    assert values["eznas_a"] == pytest.approx(closed["eznas_a_closed"], rel=0.25)


def test_larger_kernels_have_no_closed_form() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 8), nn.Flatten())
    result = run(network, *batch(), num_classes=4, proxies="eznas_a_closed")
    assert "up to 7 pixels" in result.reasons["eznas_a_closed"]
