"""What holds of every pass: nothing survives it, and nothing hangs on what else is wanted."""

import itertools

import pytest
import torch
from torch import Tensor, nn

from acorn.proxies import SETS, list_proxies, run, select
from acorn.proxies._engine.pass_registry import PASSES
from tests.proxies.small import batch, cell_network
from tests.proxies.test_state import assert_unchanged, fingerprint

NEW = sorted(set(list_proxies()) - SETS["classic"])
FORWARDS = {
    "survey": 1, "curvature": 2, "fisher_eigen": 8, "halves": 2, "layers": 1, "loss": 1, "noise": 4,
    "perturbed": 10, "random": 1, "sample": 1, "redrawn": 2, "synflow": 1,
}  # fmt: skip


class Failing(nn.Sequential):
    """Raises in the forward of that number; counts them, in all copies alike."""

    left = 0

    def __init__(self, last: int) -> None:
        super().__init__(nn.Identity())
        type(self).left = last

    def forward(self, x: Tensor) -> Tensor:
        type(self).left -= 1
        if self.left == 0:
            raise RuntimeError("no more")
        return x


def fragile(last: int) -> nn.Module:
    """Fails within the network, where hooks before it have run."""
    network = biased_network()
    network.insert(3, Failing(last))
    return network


LAST = [*itertools.accumulate(FORWARDS.values())]
FIRST = [last + 1 for last in LAST[:-1]]
SURVEY, LARGER = 1, LAST[[*FORWARDS].index("sample")]
"""Forwards that try something: a failure of the first refuses the network, that of the second is
taken to say that it takes no larger images."""


@pytest.mark.parametrize(
    "forward",
    [
        pytest.param(forward, marks=[pytest.mark.slow] * (place % 5 > 0))
        for place, forward in enumerate(sorted({*FIRST, *LAST} - {SURVEY, LARGER}))
    ],
)
def test_a_failure_in_a_pass_s_first_or_last_forward_leaves_nothing(forward: int) -> None:
    network = fragile(forward)
    before = fingerprint(network)
    result = run(network, *batch(4), num_classes=4)
    assert any("no more" in reason for reason in result.reasons.values())
    assert result.values["params"] is not None
    assert_unchanged(network, before)


def test_a_failure_on_larger_images_costs_nothing() -> None:
    network = fragile(LARGER)
    before = fingerprint(network)
    assert run(network, *batch(4), num_classes=4).reasons == {}
    assert Failing.left < 0
    assert_unchanged(network, before)


def test_forwards_of_each_pass() -> None:
    for name in sorted(set(FORWARDS) - {"survey"}):  # which is part of each
        network = fragile(1_000)
        readers = [proxy for proxy in select() if PASSES[name] in proxy.reads]
        others = {pass_.name for proxy in readers for pass_ in proxy.reads} - {name}
        run(network, *batch(4), num_classes=4, proxies=[proxy.name for proxy in readers])
        used = 1_000 - Failing.left - sum(FORWARDS.get(other, 0) for other in others | {"survey"})
        assert used == FORWARDS[name], name


@pytest.fixture(scope="module")
def together() -> dict[str, float | None]:
    return run(biased_network(), *batch(), num_classes=4).values


def biased_network() -> nn.Sequential:
    """Convolutions with biases and two norms: where the forms for second derivatives tell."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 5, 3, padding=1), nn.BatchNorm2d(5), nn.ReLU(),
        nn.Conv2d(5, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 6, 1), nn.BatchNorm2d(6),
        nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 4),
    )  # fmt: skip


@pytest.mark.parametrize("name", NEW)
def test_alone_or_together(together: dict[str, float | None], name: str) -> None:
    """Equal to the last bit, but for what is read off matrices that are decomposed together."""
    alone = run(biased_network(), *batch(), num_classes=4, proxies=name).values[name]
    assert alone is not None
    decomposed = name in ("meco", "meco_opt", "near")
    assert alone == (pytest.approx(together[name], rel=1e-14) if decomposed else together[name])


@pytest.mark.slow
def test_hooks_of_others_stay() -> None:
    network = cell_network()
    calls: list[int] = []

    def doubled(_module: nn.Module, _inputs: object, out: Tensor) -> Tensor:
        calls.append(1)
        return 2 * out

    handle = network.stem.register_forward_hook(doubled)
    changed = run(network, *batch(4), num_classes=4, proxies=["az_expressivity", "croze"])
    assert not calls  # a copy of the hook ran, with a list of its own
    assert handle.id in network.stem._forward_hooks
    handle.remove()
    plain = run(network, *batch(4), num_classes=4, proxies=["az_expressivity", "croze"])
    assert changed.values != plain.values


@pytest.mark.slow
def test_the_seed_is_what_noise_hangs_on() -> None:
    drawing = ["az_expressivity", "croze", "eznas_a", "meco", "meco_opt", "nwot_noise", "vkdnw"]
    first, again, other = (
        run(cell_network(), *batch(4), num_classes=4, proxies=drawing, seed=seed).values
        for seed in (1, 1, 2)
    )
    assert first == again
    assert all(first[name] != other[name] for name in drawing)
