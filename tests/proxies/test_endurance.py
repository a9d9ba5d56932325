"""Many networks in a row, and one network many times: nothing stays, and nothing changes."""

import gc
import inspect
import json
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn.modules import module as torch_module

from acorn.errors import InputError
from acorn.proxies import list_proxies, run
from tests.proxies.odd_networks import odd_networks
from tests.proxies.small import batch
from tests.proxies.test_state import assert_unchanged, fingerprint

DESCRIPTORS = Path("/proc/self/fd")
STATM = Path("/proc/self/statm")
PAGE = 4096


class Failing(nn.Sequential):
    """Fails at every fifth forward or so, whichever pass that is."""

    def __init__(self) -> None:
        super().__init__(nn.Identity())
        self.calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        if self.calls % 5 == 4:
            raise RuntimeError("not now")
        return super().forward(x)  # type: ignore[no-untyped-call]


def network(number: int) -> nn.Module:
    """Small ones of several kinds; every fifth raises here and there."""
    torch.manual_seed(number)
    width = 2 + number % 3
    norm: nn.Module = nn.BatchNorm2d(width) if number % 2 else nn.GroupNorm(1, width)
    return nn.Sequential(
        nn.Conv2d(3, width, 3, padding=1), norm, nn.ReLU(inplace=bool(number % 4)),
        Failing() if number % 5 == 0 else nn.Identity(),
        nn.Conv2d(width, width, 1 + 2 * (number % 2), padding=number % 2), nn.GELU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 4),
    )  # fmt: skip


def hooks() -> Iterator[object]:
    """Hooks on all modules, autograd's among them, that torch knows of."""
    for name in dir(torch_module):
        if name.startswith("_global_") and "hook" in name:
            yield from vars(torch_module)[name] or ()


def tensors() -> int:
    gc.collect()
    return sum(issubclass(type(thing), Tensor) for thing in gc.get_objects())


@pytest.mark.slow
@pytest.mark.timeout(900)  # seconds of a machine that has other work to do
@pytest.mark.parametrize(("networks", "warm_up"), [(100, 30)])
def test_nothing_piles_up(networks: int, warm_up: int) -> None:
    images, labels = batch(8)
    counts, objects, resident, descriptors = [], [], [], []
    for number in range(networks):
        small = network(number)
        before = fingerprint(small)
        result = run(small, images, labels, num_classes=4)
        assert bool(result.reasons) == (number % 5 == 0)
        assert_unchanged(small, before)
        del small, before, result
        if number >= warm_up and number % 10 == 9:
            counts.append(tensors())
            objects.append(len(gc.get_objects()))
            if STATM.exists():
                resident.append(int(STATM.read_text().split()[1]) * PAGE)
                descriptors.append({path.name for path in DESCRIPTORS.iterdir()})
    assert len(set(counts)) == 1, counts
    # Torch's and python's own caches may still fill by a few entries.
    if run is inspect.unwrap(run):  # run-time type checks keep objects of their own
        assert objects[-1] - objects[0] < networks - warm_up, objects
    # What tests before this one left open may close meanwhile, but nothing new stays open.
    assert set().union(*descriptors) <= set().union(*descriptors[:1]), descriptors
    assert not [*hooks()]
    if resident:
        half = len(resident) // 2
        grown = sum(resident[half:]) / (len(resident) - half) - sum(resident[:half]) / half
        assert grown < 4e6, resident


VECTOR = """
import json, sys
import torch
from acorn.proxies import run
from tests.proxies.odd_networks import odd_networks
from tests.proxies.small import batch, cell_network

torch.set_num_threads(1)
names = sys.argv[1].split(",")
vectors = []
for network in [cell_network(), *map(odd_networks().get, ("joined", "value_reading", "dropout"))]:
    result = run(network, *batch(), num_classes=4, proxies=names, seed=5)
    values = {name: value and value.hex() for name, value in result.values.items()}
    vectors.append([values, result.reasons, result.errors])
print(json.dumps(vectors, sort_keys=True))
"""


def vectors(names: list[str]) -> str:
    """What a process of its own computes, to the last bit, if asked in this order."""
    command = [sys.executable, "-c", VECTOR, ",".join(names)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_bit_identical_in_another_process_and_order() -> None:
    names = list_proxies()
    first = vectors(names)
    shuffled = random.Random(1).sample(names, len(names))
    assert vectors(shuffled) == first
    parsed = json.loads(first)
    assert all(set(values) == set(names) for values, _, _ in parsed)
    assert [bool(reasons) for _, reasons, _ in parsed] == [False, False, True, False]


@pytest.mark.slow
def test_the_random_state_is_as_before_after_each_kind() -> None:
    state = torch.get_rng_state()
    networks = odd_networks()
    torch.set_rng_state(state)
    for odd in networks.values():
        with suppress(InputError):  # some give no logits
            run(odd, *batch(4), num_classes=4)
    assert torch.equal(torch.get_rng_state(), state)
