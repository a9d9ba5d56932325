"""The engine: shared passes, nulls with reasons, the same values whoever asks."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from acorn.proxies import list_proxies, run, select
from tests.proxies.small import batch, cell_network

CLASSIC = [
    "epe_nas", "fisher", "flops", "grad_norm", "grasp", "jacob_fro", "jacov",
    "l2_norm", "nwot", "params", "plain", "snip", "synflow", "zen",
]  # fmt: skip


class Counting(nn.Sequential):
    """Counts forwards, those of copies too."""

    calls = 0

    def forward(self, x: Tensor) -> Tensor:
        type(self).calls += 1
        return super().forward(x)  # type: ignore[no-untyped-call]


def forwards_of(names: list[str]) -> int:
    Counting.calls = 0
    run(Counting(cell_network()), *batch(), num_classes=4, proxies=names)
    return Counting.calls


def test_classic_proxies_are_registered() -> None:
    assert set(CLASSIC) <= set(list_proxies())
    assert all(proxy.reads and proxy.summary for proxy in select())


def test_fourteen_proxies_take_seven_forwards() -> None:
    assert forwards_of(CLASSIC) == 7  # SURVEY, LOSS, SYNFLOW, and four of NOISE


@pytest.mark.parametrize(
    ("names", "forwards"),
    [
        (["params"], 0),
        (["l2_norm", "flops"], 1),
        (["snip", "jacov", "grasp", "nwot"], 2),
        (["synflow"], 2),
    ],
)
def test_only_the_needed_passes_run(names: list[str], forwards: int) -> None:
    assert forwards_of(names) == forwards


@pytest.fixture(scope="module")
def together() -> dict[str, float | None]:
    return run(cell_network(), *batch(), num_classes=4, proxies=CLASSIC).values


@settings(max_examples=4)
@given(st.permutations(CLASSIC))
def test_order_does_not_matter(together: dict[str, float | None], names: list[str]) -> None:
    assert run(cell_network(), *batch(), num_classes=4, proxies=names).values == together


@pytest.mark.parametrize("name", CLASSIC)
def test_alone_or_together(together: dict[str, float | None], name: str) -> None:
    alone = run(cell_network(), *batch(), num_classes=4, proxies=name).values[name]
    assert alone == pytest.approx(together[name], rel=1e-4)


def test_dead_network_has_nulls_with_reasons() -> None:
    """A network whose logits do not hang on its input has no Jacobian to correlate."""
    network = nn.Sequential(nn.Flatten(), nn.Linear(192, 4))
    nn.init.zeros_(network.get_parameter("1.weight"))
    result = run(network, *batch(), num_classes=4, proxies=["jacov", "nwot", "zen", "snip"])
    assert result.values["snip"] == 0
    assert "the logits do not depend on an image" in result.reasons["jacov"]
    assert result.reasons["nwot"] == "ValueError: the network has no rectifier"
    assert "no feature map" in result.reasons["zen"]


def test_an_overflow_is_null_not_a_number() -> None:
    network = cell_network()
    with torch.no_grad():
        network.get_parameter("classifier.weight").fill_(float("inf"))
    result = run(network, *batch(), num_classes=4, proxies=["l2_norm", "snip"])
    assert result.values == {"l2_norm": None, "snip": None}
    assert "not finite" in result.reasons["l2_norm"]


class Odd(nn.Module):
    """LayerNorm, GELU, grouped and one-dimensional convolutions, a concatenation, no BatchNorm."""

    def __init__(self) -> None:
        super().__init__()
        self.grouped = nn.Conv2d(3, 6, 3, padding="same", groups=3)
        self.norm = nn.GroupNorm(1, 6)
        self.gelu = nn.GELU()
        self.depthwise = nn.Conv2d(6, 6, 3, padding=1, padding_mode="circular", groups=6)
        self.along = nn.Conv1d(12, 5, 1)
        self.head = nn.Linear(5, 4)

    def forward(self, x: Tensor) -> Tensor:
        y = self.gelu(self.norm(self.grouped(x)))
        both = torch.cat([y, self.depthwise(y)], dim=1)
        return self.head(self.along(both.flatten(2)).mean(2))


def test_odd_network() -> None:
    result = run(Odd(), *batch(), num_classes=4, proxies=CLASSIC)
    assert result.reasons == {}


def test_second_derivatives_equal_autograd_s(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cheap forms against PyTorch's own double backward."""
    from contextlib import nullcontext

    from acorn.proxies._engine.passes import loss
    from acorn.proxies._math.convolution import Wanted

    cheap = run(cell_network(), *batch(), num_classes=4, proxies=["grasp", "jacob_fro"]).values
    monkeypatch.setattr(loss, "cheap_second_derivatives", lambda _network: nullcontext(Wanted()))
    plain = run(cell_network(), *batch(), num_classes=4, proxies=["grasp", "jacob_fro"]).values
    assert cheap == pytest.approx(plain, rel=1e-4)


def test_passes_are_timed() -> None:
    result = run(cell_network(), *batch(), num_classes=4, proxies=["snip", "synflow"])
    assert set(result.seconds) == {"survey", "loss", "synflow"}
    assert all(seconds > 0 for seconds in result.seconds.values())
