import math

import pytest
import torch
from torch import nn

from acorn.proxies import run
from acorn.proxies.near import effective_rank
from tests.proxies.small import batch


def naive_rank(matrix: torch.Tensor) -> float:
    singular = torch.linalg.svdvals(matrix.double())
    share = singular / singular.sum()
    return math.exp(-sum(float(p) * math.log(p) for p in share if p > 0))


def rank_of(matrix: torch.Tensor) -> float:
    return float(effective_rank(torch.linalg.eigvalsh(matrix.double() @ matrix.double().T)))


def test_effective_rank() -> None:
    torch.manual_seed(0)
    assert rank_of(torch.eye(5)) == pytest.approx(5)
    assert rank_of(torch.ones(4, 6)) == pytest.approx(1, abs=1e-5)
    assert rank_of(torch.zeros(3, 3)) == 0
    for shape in ((7, 7), (3, 9), (9, 3)):
        matrix = torch.randn(shape)
        assert rank_of(matrix) == pytest.approx(naive_rank(matrix), rel=1e-5)


def test_sum_over_layers_before_and_after_activation() -> None:
    torch.manual_seed(0)
    conv, norm, relu, linear = (
        nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.ReLU(), nn.Linear(180, 4),
    )  # fmt: skip
    images, labels = batch()
    expected, x = 0.0, images[:3]
    for layer in (conv, norm, relu, nn.Flatten(), linear):
        x = layer(x)
        if not isinstance(layer, nn.Flatten):
            rows = x.detach().movedim(1, -1).flatten(0, -2)
            width = rows.shape[1]
            # three rows are all that the linear layer has
            picked = torch.arange(width) * len(rows) // width if len(rows) > width else slice(None)
            expected += naive_rank(rows[picked])
    network = nn.Sequential(conv, norm, relu, nn.Flatten(), linear)
    got = run(network, images, labels, num_classes=4, proxies="near").values["near"]
    assert got == pytest.approx(expected, rel=1e-4)


def test_very_wide_layers_are_judged_in_part() -> None:
    torch.manual_seed(0)
    wide = nn.Conv2d(3, 1024, 3, padding=1)
    network = nn.Sequential(wide, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    got = run(network, *batch(), num_classes=1024, proxies="near").values["near"]
    rows = wide(batch()[0][:3]).detach().movedim(1, -1).flatten(0, -2)  # 192 pixels
    assert got == pytest.approx(2 * naive_rank(rows[:, ::2]), rel=1e-4)
