"""What holds of every pass: nothing survives it, and nothing hangs on what else is wanted."""

import itertools

import pytest
import torch
from torch import Tensor, nn

from models.proxies import SETS, list_proxies, run, select
from models.proxies.registry import Pass
from tests.proxies.small import batch, cell_network
from tests.proxies.test_state import assert_unchanged, fingerprint

NEW = sorted(set(list_proxies()) - SETS["classic"])
FORWARDS = {
    Pass.LOSS: 1, Pass.HALVES: 2, Pass.CURVATURE: 2, Pass.SYNFLOW: 1, Pass.TWIN: 10, Pass.NOISE: 8,
    Pass.RANDOM: 1, Pass.SAMPLE: 1, Pass.REDRAWN: 2, Pass.FISHER_EIGEN: 8,
}  # fmt: skip


class Failing(nn.Module):
    """Raises in the forward of that number; counts them."""

    def __init__(self, last: int) -> None:
        super().__init__()
        self.left = last

    def forward(self, x: Tensor) -> Tensor:
        if not x.is_meta:
            self.left -= 1
            if self.left == 0:
                raise RuntimeError("no more")
        return x


def fragile(last: int) -> nn.Module:
    """Fails within the network, where hooks before it have run."""
    network = cell_network()
    network.body.insert(2, Failing(last))
    return network


def without_count(before: dict[str, object]) -> dict[str, object]:
    return {key: value for key, value in before.items() if key != "own"}


LAST = [*itertools.accumulate(FORWARDS.values())]
FIRST = [1, *(last + 1 for last in LAST[:-1])]


@pytest.mark.parametrize("forward", sorted({*FIRST, *LAST}))
def test_a_failure_in_a_pass_s_first_or_last_forward_leaves_nothing(forward: int) -> None:
    network = fragile(forward)
    before = fingerprint(network)
    result = run(network, *batch(4), num_classes=4)
    assert any("no more" in reason for reason in result.reasons.values())
    assert result.values["params"] is not None
    assert_unchanged(network, without_count(before))


def test_forwards_of_each_pass() -> None:
    for pass_, forwards in FORWARDS.items():
        network = fragile(1_000)
        names = [proxy.name for proxy in select() if pass_ in proxy.reads]
        others = {p for proxy in select(names) for p in proxy.reads} - {pass_}
        run(network, *batch(4), num_classes=4, proxies=names)
        used = 1_000 - network.body[2].left - sum(FORWARDS.get(p, 0) for p in others)
        assert used == forwards, pass_


@pytest.fixture(scope="module")
def together() -> dict[str, float | None]:
    return run(biased_network(), *batch(), num_classes=4).values


def biased_network() -> nn.Module:
    """Convolutions with biases and two norms: where the forms for second derivatives tell."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 5, 3, padding=1), nn.BatchNorm2d(5), nn.ReLU(),
        nn.Conv2d(5, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 6, 1), nn.BatchNorm2d(6),
        nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 4),
    )  # fmt: skip


@pytest.mark.parametrize("name", NEW)
def test_alone_or_together_to_the_last_bit(together: dict[str, float | None], name: str) -> None:
    alone = run(biased_network(), *batch(), num_classes=4, proxies=name).values[name]
    assert alone == together[name]
    assert alone is not None


def test_hooks_of_others_stay() -> None:
    network = cell_network()
    calls = []
    handle = network.stem.register_forward_hook(lambda *_: calls.append(1))
    run(network, *batch(4), num_classes=4, proxies=["meco", "swap", "vkdnw", "croze"])
    assert calls
    assert handle.id in network.stem._forward_hooks


def test_the_seed_is_what_noise_hangs_on() -> None:
    drawing = ["az_expressivity", "croze", "eznas_a", "meco", "meco_opt", "nwot_noise", "vkdnw"]
    first, again, other = (
        run(cell_network(), *batch(4), num_classes=4, proxies=drawing, seed=seed).values
        for seed in (1, 1, 2)
    )
    assert first == again
    assert all(first[name] != other[name] for name in drawing)
