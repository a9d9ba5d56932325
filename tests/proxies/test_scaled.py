"""Scaled single precision gives what double precision gives, and says so where it cannot."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from acorn.proxies import run
from acorn.proxies._network import unsigned as unsigned_module
from acorn.proxies._network.scaled import (
    ScaledArithmetic,
    UnscalableError,
    log_scale,
    set_log_scale,
)
from benchmarks.operations import count, total
from tests.proxies.small import batch, cell_network, measured

Function = Callable[[Tensor, Tensor], Tensor]

FUNCTIONS: dict[str, Function] = {
    "sum": lambda x, y: x + y,
    "sum with a factor": lambda x, y: torch.add(x, y, alpha=0.5),
    "difference": lambda x, y: x - y,
    "difference from a number": lambda x, _y: 1.0 - x,
    "number added": lambda x, _y: x + 3.0,
    "sum in place": lambda x, y: (2 * y).add_(x.clone()),
    "sum by +=": lambda x, y: _grown(y, x),
    "product": lambda x, y: x * y,
    "quotient by a number": lambda x, _y: x / 3,
    "concatenation": lambda x, y: torch.cat([x, y], dim=1),
    "stack": lambda x, y: torch.stack([x, y]).mean(0),
    "rectifier": lambda x, _y: functional.relu(x),
    "clamp": lambda x, _y: x.clamp(min=0),
    "clamp on both sides": lambda x, _y: x.clamp(-1, 4),
    "relu6": lambda x, _y: functional.relu6(x),
    "hardtanh in place": lambda x, _y: functional.hardtanh(x.clone(), inplace=True),
    "leaky": lambda x, _y: functional.leaky_relu(x, 0.1),
    "silu": lambda x, _y: functional.silu(x),
    "gelu": lambda x, _y: functional.gelu(x),
    "hardswish": lambda x, _y: functional.hardswish(x),
    "mish": lambda x, _y: functional.mish(x),
    "sigmoid": lambda x, y: x * torch.sigmoid(y),
    "pooling": lambda x, _y: functional.max_pool2d(x, 2) + functional.avg_pool2d(x, 2),
    "global pooling": lambda x, _y: x.mean((2, 3)),
    "padding": lambda x, _y: functional.pad(x, (1, 1, 1, 1)),
    "padding with a value": lambda x, _y: functional.pad(x, (1, 1), value=2.0),
    "part": lambda x, _y: x[:, 1:].flatten(1),
    "halves": lambda x, _y: torch.cat(x.chunk(2, dim=1)[::-1], dim=1),
    "squeeze and excitation": lambda x, y: x * y.mean((2, 3), keepdim=True).expand_as(x),
    "shape of another": lambda x, y: x.view_as(y) + x.flatten().reshape_as(y),
    "layer norm": lambda x, _y: functional.layer_norm(x, x.shape[1:]),
    "group norm": lambda x, _y: functional.group_norm(x, 2, eps=1e-3),
    "rms norm": lambda x, _y: functional.rms_norm(x, x.shape[3:]),
    "softmax": lambda x, _y: torch.softmax(x, dim=-1),
    "matrix product": lambda x, y: x @ y.transpose(-1, -2),
    "attention": lambda x, y: functional.scaled_dot_product_attention(x / 4, y / 4, x),
    "exponential": lambda x, _y: torch.exp(x / 8),
    "elu": lambda x, _y: functional.elu(x),
}
"""Functions of maps ``(2, 4, 4, 4)``."""


def _grown(x: Tensor, y: Tensor) -> Tensor:
    z = x.clone()
    z += y
    return z


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
@pytest.mark.parametrize("logs", [(1.5, 0.5), (0.0, 2.0), (2.0, -1.0)])
def test_a_function_of_scaled_tensors_has_the_true_values(
    name: str, logs: tuple[float, float]
) -> None:
    function = FUNCTIONS[name]
    torch.manual_seed(0)
    true = [torch.randn(2, 4, 4, 4, dtype=torch.float64) for _ in logs]
    scaled = [
        (value * math.exp(-log)).float().requires_grad_(True)
        for value, log in zip(true, logs, strict=True)
    ]
    leaves = [value.clone().requires_grad_(True) for value in true]
    expected = function(*leaves)
    for tensor, log in zip(scaled, logs, strict=True):
        set_log_scale(tensor, log)
    try:
        with ScaledArithmetic():
            got = function(*scaled)
    except UnscalableError:
        assert "norm" in name  # a negative scale would need a larger epsilon
        assert min(logs) < 0 or logs[0] == 0
        return
    factor = math.exp(log_scale(got))
    assert torch.allclose(got.detach().double() * factor, expected, rtol=1e-5, atol=1e-5)
    cotangent = torch.randn_like(expected)
    wanted = torch.autograd.grad(expected, leaves, cotangent, materialize_grads=True)
    gradients = torch.autograd.grad(got, scaled, cotangent.float(), materialize_grads=True)
    for gradient, log, right in zip(gradients, logs, wanted, strict=True):
        assert torch.allclose(
            gradient.double() * factor * math.exp(-log), right, rtol=1e-4, atol=1e-4
        )


@pytest.mark.parametrize(
    "function",
    [torch.exp, lambda x: x.exp_(), lambda x: x.__setitem__(0, 1.0), lambda x: 1 / x,
     lambda x: functional.gelu(x, approximate="tanh"), functional.instance_norm],
)  # fmt: skip
def test_what_has_no_rule_is_refused_where_values_are_large(
    function: Callable[[Tensor], Any],
) -> None:
    x = torch.rand(2, 4, 4, 4)
    set_log_scale(x, 100.0)
    with ScaledArithmetic(), pytest.raises(UnscalableError):
        function(x)


def chain(depth: int) -> nn.Sequential:
    torch.manual_seed(0)
    layers: list[nn.Module] = [nn.Conv2d(3, 8, 3, padding=1)]
    for _ in range(depth):
        layers += [nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4))


NAMES = ["synflow", "croze", "croze_ascent"]


@pytest.mark.parametrize("kind", ["cell", "chain"])
def test_values_are_those_of_double_precision(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    network: nn.Module = cell_network() if kind == "cell" else chain(10)
    single = run(network, *batch(), num_classes=4, proxies=NAMES).values
    refuse = UnscalableError("no")

    def no_scales(*_: object) -> None:
        raise refuse

    monkeypatch.setattr(unsigned_module, "_scaled", no_scales)
    double = run(network, *batch(), num_classes=4, proxies=NAMES).values
    assert single == pytest.approx(double, rel=1e-6)
    assert single != double


@pytest.mark.slow
def test_depth_does_not_exceed_any_range() -> None:
    network = chain(120)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(1_000)
    values = run(network, *batch(), num_classes=4, proxies=NAMES).values
    assert values["synflow"] is not None
    assert values["synflow"] > 800  # of which the exponential is infinite
    assert all(value is not None and value > 0 for value in values.values())


@pytest.mark.parametrize("scale", [1e-3, 30.0])
@pytest.mark.slow
def test_weights_of_any_size_add_their_logarithms(scale: float) -> None:
    network = chain(40)  # 42 layers
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.dim() == 1:
                parameter.zero_()
    before = run(network, *batch(), num_classes=4, proxies=NAMES).values
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(scale)
    after = run(network, *batch(), num_classes=4, proxies=NAMES).values
    assert before["synflow"] is not None
    assert after["synflow"] == pytest.approx(before["synflow"] + 42 * math.log(scale), rel=1e-6)
    assert after["croze"] is not None


@pytest.mark.slow
def test_a_network_with_unknown_functions_is_run_in_doubles() -> None:
    class Softplus(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x + torch.log1p(torch.exp(-x.abs()))

    network = nn.Sequential(
        nn.Conv2d(3, 8, 3), Softplus(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4)
    )
    assert total(count(network, *batch(), 4, NAMES)).doubles == 0  # true values are in range
    with torch.no_grad():
        network.get_submodule("0").weight.mul_(1e12)  # type: ignore[operator]
    assert total(count(network, *batch(), 4, NAMES)).doubles > 0
    values = run(network, *batch(), num_classes=4, proxies=NAMES).values
    assert all(value is not None for value in values.values())


def test_the_network_has_its_weights_again() -> None:
    with measured(cell_network(), batch()[0]) as replica:
        before = [parameter.clone() for parameter in replica.module.parameters()]

        def fail(network: object) -> None:
            raise RuntimeError("no more")

        with pytest.raises(RuntimeError, match="no more"):
            unsigned_module.unsigned(replica, fail)
        assert all(map(torch.equal, before, replica.module.parameters()))
        assert not any(map(log_scale, replica.module.parameters()))
