"""A replica has everything that the original has, and shares none of it."""

import collections
import functools
import logging
import threading
import weakref
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from acorn.graph.replica import replicate, unwrapped
from tests.proxies.zoo import channels_last, compiled


class Holder(nn.Module):
    """Holds whatever it is given."""

    def __init__(self, **held: Any) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 2)
        for name, value in held.items():
            setattr(self, name, value)


def test_tensors_are_copied_once_and_keep_their_kind() -> None:
    weight = nn.Parameter(torch.ones(2, 2))
    network: Any = Holder(one=weight, plain=torch.ones(3), same=[weight])
    network.register_buffer("buffer", torch.zeros(1), persistent=False)
    network.layer.weight = weight
    network.layer(torch.ones(1, 2)).sum().backward()
    replica: Any = replicate(network)
    assert replica.one is replica.layer.weight is replica.same[0]
    assert isinstance(replica.one, nn.Parameter)
    assert replica.one is not weight
    assert replica.one.grad is None
    assert weight.grad is not None
    with torch.no_grad():
        replica.one.fill_(7)
        replica.plain.fill_(7)
    assert torch.equal(weight, torch.ones(2, 2))
    assert torch.equal(network.plain, torch.ones(3))
    assert "buffer" in replica._non_persistent_buffers_set


def test_computed_tensors_and_memory_layouts() -> None:
    network: Any = Holder()
    network.computed = network.layer.weight * 2
    network.conv = channels_last(nn.Conv2d(4, 4, 3))
    replica: Any = replicate(network)
    assert torch.equal(replica.computed, network.computed)
    assert replica.conv.weight.is_contiguous()
    assert not network.conv.weight.is_contiguous()


class Point(collections.namedtuple("Point", "x y")):
    """A tuple of a class of its own."""


class Slotted:
    """An object without a dictionary."""

    __slots__ = ("value",)

    def __init__(self, value: object) -> None:
        self.value = value


def test_containers() -> None:
    shared = [torch.ones(1)]
    held: dict[str, Any] = {
        "nested": {"a": [shared, (shared,)], 3: {1, 2}},
        "ordered": collections.OrderedDict(b=1, a=2),
        "default": collections.defaultdict(list, x=[1]),
        "queue": collections.deque([1, 2], maxlen=2),
        "point": Point(shared, 2),
        "slotted": Slotted([1]),
        "array": np.ones(2),
        "itself": [],
    }
    held["itself"].append(held["itself"])
    network: Any = Holder(**held)
    replica: Any = replicate(network)
    assert replica.nested["a"][0] is replica.nested["a"][1][0] is replica.point.x
    assert replica.nested["a"][0] is not shared
    assert replica.nested[3] == {1, 2}
    assert list(replica.ordered) == ["b", "a"]
    assert replica.default["new"] == []
    assert replica.queue.maxlen == 2
    assert type(replica.point) is Point
    assert replica.slotted.value == [1]
    assert replica.slotted.value is not network.slotted.value
    assert replica.itself[0] is replica.itself
    replica.default["x"].append(2)
    assert network.default == {"x": [1]}


def test_what_refuses_is_shared() -> None:
    lock = threading.Lock()
    logger = logging.getLogger("acorn.tests")
    network: Any = Holder(lock=lock, log=logger, stream=(number for number in (1, 2)))
    replica: Any = replicate(network)
    assert replica.lock is lock
    assert replica.log is logger
    assert replica.stream is network.stream


def test_functions_take_their_state_along() -> None:
    calls: list[int] = []
    network: Any = Holder()
    before = network.layer.forward

    def forward(x: Tensor, *, twice: bool = True) -> Tensor:
        calls.append(1)
        return before(x) * (2 if twice else 1)

    network.layer.forward = forward
    network.partial = functools.partial(forward, twice=False)
    network.method = network.layer.extra_repr
    network.parent = weakref.ref(network)
    replica: Any = replicate(network)
    x = torch.ones(1, 2)
    expected = network.layer(x)
    with torch.no_grad():
        network.layer.weight.zero_()
        network.layer.bias.zero_()
    assert torch.equal(replica.layer(x), expected)
    assert torch.equal(replica.partial(x), expected / 2)
    assert calls == [1]
    assert replica.method.__self__ is replica.layer
    assert replica.parent() is replica


def test_generators_go_on_from_where_they_are() -> None:
    network: Any = Holder(generator=torch.Generator().manual_seed(3))
    torch.rand(2, generator=network.generator)
    replica: Any = replicate(network)
    assert torch.equal(
        torch.rand(2, generator=replica.generator), torch.rand(2, generator=network.generator)
    )


def test_tensors_by_another_rule() -> None:
    network: Any = Holder(plain=torch.ones(2), count=torch.ones(1, dtype=torch.int64))
    replica: Any = replicate(network, lambda tensor: tensor.detach().to("meta"))
    assert all(parameter.is_meta for parameter in replica.parameters())
    assert replica.plain.is_meta
    assert not any(parameter.is_meta for parameter in network.parameters())


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
def test_wrappers_are_taken_off_at_any_depth() -> None:
    inner = nn.Linear(2, 2)
    network: Any = nn.Sequential(nn.DataParallel(compiled(nn.Sequential(inner))), nn.ReLU())
    replica: Any = replicate(network)
    assert [type(module) for module in replica.modules()] == [
        nn.Sequential, nn.Sequential, nn.Linear, nn.ReLU,
    ]  # fmt: skip
    bare: Any = unwrapped(network[0])
    assert bare[0] is inner
    assert isinstance(network[0], nn.DataParallel)


def test_hooks_are_copied_with_what_they_hold() -> None:
    network: Any = Holder()
    seen: list[Tensor] = []
    network.layer.register_forward_hook(lambda _module, _inputs, out: seen.append(out))
    replica: Any = replicate(network)
    replica.layer(torch.ones(1, 2))
    assert seen == []
    network.layer(torch.ones(1, 2))
    assert len(seen) == 1
