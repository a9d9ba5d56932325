"""A network is left as it was found: also after a bad input, and when it raises."""

import copy

import pytest
import torch
from torch import Tensor, nn

from models.errors import UnknownProxyError
from models.proxies import run
from tests.proxies.small import batch, cell_network


class Raising(nn.Module):
    """Fails in its second forward."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        if self.calls > 1:
            raise RuntimeError("no second time")
        return x


def fingerprint(network: nn.Module) -> dict[str, object]:
    """All that a run could have changed."""
    return {
        "modes": [module.training for module in network.modules()],
        "own": [sorted(vars(module)) for module in network.modules()],
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


def assert_unchanged(network: nn.Module, before: dict[str, object]) -> None:
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
    network = cell_network().train(mode)
    network.stem[0].weight.requires_grad_(False)
    network.body[0].eval()
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
    result = run(network, images[:, :2], labels, num_classes=4, proxies=["snip", "zen", "l2_norm"])
    assert set(result.reasons) == {"snip", "zen"}
    assert result.values["l2_norm"] is not None
    assert_unchanged(network, before)


def test_network_that_raises_in_a_later_pass() -> None:
    network = nn.Sequential(Raising(), cell_network())
    before = fingerprint(network)
    result = run(network, *batch(), num_classes=4, proxies=["snip", "synflow", "zen"])
    assert result.values["snip"] is not None
    assert "no second time" in result.reasons["synflow"]
    assert "no second time" in result.reasons["zen"]
    assert_unchanged(network, before)


def test_unknown_proxy_is_refused_before_anything_runs() -> None:
    network = cell_network()
    before = fingerprint(network)
    with pytest.raises(UnknownProxyError, match="unknown proxy 'snop'"):
        run(network, *batch(), num_classes=4, proxies=["snop"])
    assert_unchanged(network, before)


def test_a_patched_forward_stays() -> None:
    network = cell_network()
    norm = network.stem[1]
    norm.forward = lambda x: 2 * x
    patched = norm.forward
    run(network, *batch(), num_classes=4, proxies=["synflow", "grasp"])
    assert norm.forward is patched


def test_weights_do_not_drift_over_many_runs() -> None:
    network = cell_network()
    original = copy.deepcopy(network.state_dict())
    for _ in range(3):
        run(network, *batch(), num_classes=4)
    assert all(torch.equal(original[name], value) for name, value in network.state_dict().items())
