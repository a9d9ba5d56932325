"""A network is left as it was found: also after a bad input, and when it raises."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from acorn.errors import InputError, UnknownProxyError
from acorn.proxies import run
from tests.proxies.small import batch, cell_network


class Raising(nn.Sequential):
    """Fails in its third forward."""

    def __init__(self) -> None:
        super().__init__(nn.Identity())
        self.calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        if self.calls > 2:
            raise RuntimeError("no third time")
        return super().forward(x)  # type: ignore[no-untyped-call]


class Doubled(nn.Module):
    """Twice its input."""

    def forward(self, x: Tensor) -> Tensor:
        return 2 * x


def fingerprint(network: nn.Module) -> dict[str, Any]:
    """All that a run could have changed."""
    return {
        "modes": [module.training for module in network.modules()],
        "own": [sorted(vars(module)) for module in network.modules()],
        "numbers": [
            {name: value for name, value in vars(module).items() if isinstance(value, int | float)}
            for module in network.modules()
        ],
        "hooks": [
            (len(m._forward_hooks), len(m._forward_pre_hooks), len(m._backward_hooks))
            for m in network.modules()
        ],
        "gradients": [p.grad is None for p in network.parameters()],
        "flags": [p.requires_grad for p in network.parameters()],
        "state": {name: value.clone() for name, value in network.state_dict().items()},
        "tracking": [getattr(m, "track_running_stats", None) for m in network.modules()],
        "formats": [p.stride() for p in network.parameters()],
        "random": torch.get_rng_state(),
        "grad_enabled": torch.is_grad_enabled(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "benchmark": torch.backends.cudnn.benchmark,
        "dtype": torch.get_default_dtype(),
    }


def assert_unchanged(network: nn.Module, before: dict[str, Any]) -> None:
    after = fingerprint(network)
    for key, value in before.items():
        if key == "state":
            assert all(torch.equal(value[name], after[key][name]) for name in value)
        elif key == "random":
            assert torch.equal(value, after[key])
        else:
            assert value == after[key], key


@pytest.mark.parametrize("mode", [True, False])
def test_normal_run(mode: bool) -> None:
    network = cell_network()
    network.train(mode)
    network.get_parameter("stem.0.weight").requires_grad_(False)
    network.get_submodule("body.0").eval()
    before = fingerprint(network)
    with torch.no_grad():
        before["grad_enabled"] = False
        result = run(network, *batch(), num_classes=4)
        assert result.reasons == {}
        assert_unchanged(network, before)


def test_bad_input() -> None:
    network = cell_network()
    before = fingerprint(network)
    images, labels = batch()
    with pytest.raises(InputError) as caught:
        run(network, images[:, :2], labels, num_classes=4, proxies=["snip", "zen", "l2_norm"])
    message = str(caught.value)
    assert message.startswith("got TopologyNetwork whose forward fails on images (6, 2, 8, 8): ")
    assert "to have 3 channels, but got 2 channels" in message
    assert "\n" not in message
    assert_unchanged(network, before)
    without = run(network, images[:, :2], labels, num_classes=4, proxies="params")
    assert without.values["params"] is not None


@pytest.mark.parametrize(
    ("head", "shape"),
    [
        ([nn.Flatten(), nn.Linear(256, 5)], "(1, 5)"),
        ([], "(1, 4, 8, 8)"),
        ([nn.Flatten(0), nn.Linear(256, 4)], "(4,)"),
        ([nn.Flatten(), nn.Linear(256, 4), nn.Unflatten(1, (1, 4))], "(1, 1, 4)"),
    ],
)
def test_another_shape_than_that_of_logits(head: list[nn.Module], shape: str) -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), *head)
    before = fingerprint(network)
    with pytest.raises(InputError, match="got logits of shape") as caught:
        run(network, *batch(), num_classes=4, proxies=["snip", "synflow"])
    assert f"got logits of shape {shape}" in str(caught.value)
    assert "one a class" in str(caught.value)
    assert_unchanged(network, before)


def test_network_that_raises_in_a_later_pass() -> None:
    network = nn.Sequential(Raising(), cell_network())
    before = fingerprint(network)
    result = run(network, *batch(), num_classes=4, proxies=["snip", "synflow", "zen"])
    assert result.values["snip"] is not None
    assert "no third time" in result.reasons["synflow"]
    assert "no third time" in result.reasons["zen"]
    assert network[0].calls == 0
    assert_unchanged(network, before)


def test_unknown_proxy_is_refused_before_anything_runs() -> None:
    network = cell_network()
    before = fingerprint(network)
    with pytest.raises(UnknownProxyError, match="unknown proxy 'snop'"):
        run(network, *batch(), num_classes=4, proxies=["snop"])
    assert_unchanged(network, before)


def test_a_patched_forward_stays_and_is_what_runs() -> None:
    network: Any = cell_network()
    calls: list[int] = []

    def doubled(x: Tensor) -> Tensor:
        calls.append(1)
        return 2 * x

    norm = network.stem[1]
    norm.forward = doubled
    patched = run(network, *batch(), num_classes=4, proxies=["synflow", "grasp"])
    assert norm.forward is doubled
    assert not calls  # a copy ran, with a list of its own
    network.stem[1] = Doubled()
    assert patched.values == pytest.approx(
        run(network, *batch(), num_classes=4, proxies=["synflow", "grasp"]).values
    )


@pytest.mark.slow
def test_weights_do_not_drift_over_many_runs() -> None:
    network = cell_network()
    original = copy.deepcopy(network.state_dict())
    for _ in range(3):
        run(network, *batch(), num_classes=4)
    assert all(torch.equal(original[name], value) for name, value in network.state_dict().items())
