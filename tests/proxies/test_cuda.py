"""The same vector on every device; and what can be known of a GPU without one.

On the meta device tensors have shapes and no values: whoever reads one fails, and so does whoever
mixes it with a tensor of another device. A vector that comes through there makes the host wait for
a GPU only where it says so. The first forward of one image, which shows what runs, is real.
"""

import copy
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from acorn.proxies import ProxyValues, compute_proxies, list_proxies, run
from acorn.proxies._engine import engine
from acorn.proxies._network.measured import MeasuredNetwork
from benchmarks.operations import count, total
from tests.proxies.odd_networks import odd_networks, plain_network
from tests.proxies.small import batch, cell_network
from tests.proxies.test_state import assert_unchanged, fingerprint

DEVICES = [
    "cpu",
    pytest.param(
        "cuda",
        marks=pytest.mark.skipif(
            not torch.cuda.is_available(), reason="needs a CUDA device, and this machine has none"
        ),
    ),
]
EXACT = ("params", "flops", "l2_norm", "nwot", "synflow", "grad_norm", "snip", "jacob_fro")
"""Those that neither draw anything nor are made of cancelling terms."""


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[torch.device]:
    """Devices of the tensors that were turned into lists; all their numbers are 0."""
    found: list[torch.device] = []

    def tolist(tensor: Tensor) -> list[float]:
        found.append(tensor.device)
        return [0.0] * tensor.numel()

    monkeypatch.setattr(Tensor, "tolist", tolist)
    return found


class OnShapes(MeasuredNetwork):
    """Has values in its first forward only."""

    def __init__(self, network: nn.Module, _device: torch.device) -> None:
        super().__init__(network)

    def survey(self, images: Tensor, num_classes: int, *, record: bool) -> None:
        super().survey(torch.randn(images.shape), num_classes, record=record)
        if self.recorder is not None:  # it holds views of the parameters
            graph = self.recorder.graph(keep_dead=True)
            self.recorder = SimpleNamespace(graph=lambda **_: graph)  # type: ignore[assignment]
        for parameter in self.module.parameters():
            shape = nn.Parameter(parameter.detach().to("meta"), parameter.requires_grad)
            torch.utils.swap_tensors(parameter, shape)  # it stays the same object
        for buffer in self.module.buffers():
            torch.utils.swap_tensors(buffer, buffer.detach().to("meta"))


def run_on_meta(monkeypatch: pytest.MonkeyPatch, network: nn.Module) -> ProxyValues:
    monkeypatch.setattr(engine, "MeasuredNetwork", OnShapes)
    images, labels = batch()
    return run(network, images.to("meta"), labels.to("meta"), num_classes=4)


@pytest.mark.timeout(600)  # torch imports its rules for shapes here, which takes a while
@pytest.mark.parametrize(
    "name",
    [
        "plain",
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in ("joined", "siamese", "channels_last")
        ),
    ],
)
def test_one_read_for_all_proxies(
    monkeypatch: pytest.MonkeyPatch, reads: list[torch.device], name: str
) -> None:
    networks = {"plain": plain_network(), **odd_networks()}
    result = run_on_meta(monkeypatch, networks[name])
    assert result.reasons == {}
    assert reads == [torch.device("meta")]


class Reading(nn.Module):
    """Looks at a value, as no proxy may."""

    def forward(self, x: Tensor) -> Tensor:
        return x if x.sum() > 0 else x + 1


class Homeless(nn.Module):
    """Makes a tensor on the CPU, wherever it is."""

    def forward(self, x: Tensor) -> Tensor:
        return x + torch.ones(x.shape)


@pytest.mark.parametrize("culprit", [Reading(), Homeless()])
def test_reads_and_strays_would_be_seen(
    monkeypatch: pytest.MonkeyPatch, reads: list[torch.device], culprit: nn.Module
) -> None:
    result = run_on_meta(monkeypatch, nn.Sequential(culprit, plain_network()))
    assert {"snip", "meco", "vkdnw", "synflow", "croze", "zen"} <= set(result.reasons)


@pytest.mark.slow
def test_decompositions_are_few() -> None:
    """Each makes the host wait, and a network has many more layers than widths."""
    deep = cell_network()
    first, *others = deep.get_submodule("body").children()
    deep.body = nn.Sequential(*(copy.deepcopy(first) for _ in range(6)), *others)
    counts = [
        total(count(network, *batch(), 4, list_proxies())).kinds["_linalg_eigh"]
        for network in (cell_network(), deep)
    ]
    assert 0 < counts[0] == counts[1] <= 16


@pytest.mark.parametrize("device", DEVICES)
def test_agrees_with_the_cpu(device: str) -> None:
    images, labels = batch()
    cpu = run(cell_network(), images, labels, num_classes=4, proxies=EXACT)
    there = run(
        cell_network().to(device),
        images.to(device),
        labels.to(device),
        num_classes=4,
        proxies=EXACT,
    )
    assert there.reasons == {}
    assert there.values == pytest.approx(cpu.values, rel=1e-2)


@pytest.mark.parametrize("device", DEVICES)
def test_the_whole_vector(device: str) -> None:
    network = cell_network()
    before = fingerprint(network)
    first, again = (compute_proxies(network, (3, 8, 8), 4, device=device) for _ in range(2))
    assert_unchanged(network, before)
    assert first.reasons == {}
    assert first.values.keys() == set(list_proxies())
    assert again.values == pytest.approx(first.values, rel=1e-3)
    assert {p.device.type for p in network.parameters()} == {"cpu"}


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_random_state_of_the_gpu_survives() -> None:
    images, labels = batch()
    before = torch.cuda.get_rng_state()
    run(cell_network().cuda(), images.cuda(), labels.cuda(), num_classes=4)
    assert torch.equal(torch.cuda.get_rng_state(), before)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_stream_of_one_s_own() -> None:
    images, labels = batch()
    network, images, labels = cell_network().cuda(), images.cuda(), labels.cuda()
    reference = run(network, images, labels, num_classes=4, proxies=EXACT).values
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        values = run(network, images, labels, num_classes=4, proxies=EXACT).values
    assert values == pytest.approx(reference, rel=1e-3)
