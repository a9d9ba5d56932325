"""Networks as people have them, each of which something once went wrong with.

All take 3 x 8 x 8 images and give four logits, unless :data:`SHAPES` says otherwise.
"""

import threading
import types
import weakref
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrizations, prune
from torch.utils.checkpoint import checkpoint

SHAPES = {"one_channel": (1, 8, 8), "oblong": (3, 8, 12), "six_channels": (6, 8, 8)}
"""Shapes of images other than (3, 8, 8)."""


def body(channels: int = 3, width: int = 4) -> nn.Sequential:
    """Two convolutions with norms and rectifiers."""
    return nn.Sequential(
        nn.Conv2d(channels, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(),
        nn.Conv2d(width, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(inplace=True),
    )  # fmt: skip


def plain(channels: int = 3) -> nn.Sequential:
    """What every proxy can judge."""
    return nn.Sequential(body(channels), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 4))


class Base(nn.Module):
    """A body and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.body = body()
        self.fc = nn.Linear(4, 4)

    def features(self, x: Tensor) -> Tensor:
        return self.body(x)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.features(x).mean([2, 3]))


class Alias(Base):
    """One module under two names."""

    def __init__(self) -> None:
        super().__init__()
        self.head = self.fc


class SharedConvolution(Base):
    """One convolution in two places of the tree."""

    def __init__(self) -> None:
        super().__init__()
        shared = nn.Conv2d(4, 4, 3, padding=1)
        self.first = nn.Sequential(shared, nn.ReLU())
        self.second = nn.Sequential(shared, nn.ReLU())

    def features(self, x: Tensor) -> Tensor:
        return self.second(self.first(self.body(x)))


class SharedNorm(Base):
    """One BatchNorm behind two convolutions."""

    def __init__(self) -> None:
        super().__init__()
        norm = nn.BatchNorm2d(4)
        self.first = nn.Sequential(nn.Conv2d(4, 4, 1), norm)
        self.second = nn.Sequential(nn.Conv2d(4, 4, 1), norm, nn.ReLU())

    def features(self, x: Tensor) -> Tensor:
        return self.second(self.first(self.body(x)))


class TiedWeights(Base):
    """One parameter in two layers, and in a list that is not registered."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1)
        self.two.weight = self.one.weight
        self.ties = [self.one.weight]

    def features(self, x: Tensor) -> Tensor:
        x = self.two(functional.relu(self.one(self.body(x))))
        return x + functional.conv2d(x, self.ties[0])


class LazyTable(Base):
    """Makes a table of positions on first use, in an attribute."""

    def __init__(self) -> None:
        super().__init__()
        self.table: Tensor | None = None

    def features(self, x: Tensor) -> Tensor:
        if self.table is None:
            self.table = torch.arange(x.shape[2] * x.shape[3], device=x.device).to(x.dtype) / 64
        x = self.body(x)
        return x + self.table.reshape(1, 1, *x.shape[2:])


class LazyDictionary(Base):
    """Keeps masks by size, in a dictionary."""

    def __init__(self) -> None:
        super().__init__()
        self.masks: dict[tuple[int, ...], Tensor] = {}

    def features(self, x: Tensor) -> Tensor:
        key = tuple(x.shape[2:])
        if key not in self.masks:
            self.masks[key] = x.new_ones(key).tril()
        return self.body(x) * self.masks[key]


class ClassCache(Base):
    """Keeps tables in a dictionary of the class, which all instances share."""

    tables: ClassVar[dict[int, Tensor]] = {}

    def features(self, x: Tensor) -> Tensor:
        if x.shape[-1] not in self.tables:
            self.tables[x.shape[-1]] = torch.linspace(0, 1, x.shape[-1]).to(x)
        return self.body(x) + self.tables[x.shape[-1]].to(x.dtype)


class RotaryCache(Base):
    """Keeps sine and cosine in an object of its own."""

    class Rotary:
        def __init__(self) -> None:
            self.cached: tuple[Tensor, Tensor] | None = None

        def __call__(self, x: Tensor) -> tuple[Tensor, Tensor]:
            if self.cached is None:
                angles = torch.linspace(0, 1, x.shape[-1], device=x.device, dtype=x.dtype)
                self.cached = (angles.sin(), angles.cos())
            return self.cached

    def __init__(self) -> None:
        super().__init__()
        self.rotary = self.Rotary()

    def features(self, x: Tensor) -> Tensor:
        sine, cosine = self.rotary(x)
        x = self.body(x)
        return x * cosine + x.flip(-1) * sine


class Counting(Base):
    """Counts its calls, in an attribute and in a buffer."""

    steps: Tensor
    mean: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
        self.register_buffer("mean", torch.zeros(4), persistent=False)

    def features(self, x: Tensor) -> Tensor:
        self.calls += 1
        x = self.body(x)
        if self.training:
            self.steps += 1
            self.mean = 0.9 * self.mean + 0.1 * x.detach().mean([0, 2, 3])
        return x


class History(Base):
    """Keeps all that it saw, in lists."""

    def __init__(self) -> None:
        super().__init__()
        self.shapes: list[tuple[int, ...]] = []
        self.outputs: list[Tensor] = []

    def features(self, x: Tensor) -> Tensor:
        self.shapes.append(tuple(x.shape))
        x = self.body(x)
        self.outputs.append(x)
        return x


class PlainTensors(Base):
    """Holds tensors that are neither parameters nor buffers, one of them computed."""

    def __init__(self) -> None:
        super().__init__()
        self.shift = torch.full((4, 1, 1), 0.1)
        self.scales = {"scale": torch.full((4, 1, 1), 2.0)}
        self.computed = self.fc.weight.sum() * 0 + 1

    def features(self, x: Tensor) -> Tensor:
        return self.body(x) * self.scales["scale"] + self.shift


class Unregistered(Base):
    """Layers in a list that torch does not know of."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = [nn.Conv2d(4, 4, 1)]

    def features(self, x: Tensor) -> Tensor:
        return self.hidden[0](self.body(x))


class Parent(Base):
    """A child that reaches its parent through a weak reference."""

    class Child(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(4, 4, 1)
            self.parent: Any = None

        def forward(self, x: Tensor) -> Tensor:
            parent = self.parent()
            parent.seen += 1
            return self.conv(x)

    def __init__(self) -> None:
        super().__init__()
        self.seen = 0
        self.child = self.Child()
        self.child.parent = weakref.ref(self)

    def features(self, x: Tensor) -> Tensor:
        return self.child(self.body(x))


class RaisesLater(Base):
    """Fails in its second forward."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def features(self, x: Tensor) -> Tensor:
        self.calls += 1
        if self.calls > 1:
            raise RuntimeError("no second time")
        return self.body(x)


class Locked(Base):
    """Holds what cannot be copied, and a generator of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.Lock()
        self.generator = torch.Generator().manual_seed(3)

    def features(self, x: Tensor) -> Tensor:
        with self.lock:
            return self.body(x) + 0.1 * torch.randn(x.shape[2:], generator=self.generator).to(x)


class Functional(Base):
    """All by functions, with parameters of its own."""

    mean: Tensor
    variance: Tensor

    def __init__(self) -> None:
        super().__init__()
        del self.body
        self.weight = nn.Parameter(torch.randn(4, 3, 3, 3) / 5)
        self.scale = nn.Parameter(torch.ones(4))
        self.shift = nn.Parameter(torch.zeros(4))
        self.register_buffer("mean", torch.zeros(4))
        self.register_buffer("variance", torch.ones(4))

    def features(self, x: Tensor) -> Tensor:
        x = functional.conv2d(x, self.weight, padding=1)
        x = functional.batch_norm(
            x, self.mean, self.variance, self.scale, self.shift, self.training
        )
        return functional.max_pool2d(x.relu_(), 2)


class Rewritten(Base):
    """Writes in place wherever it can."""

    def features(self, x: Tensor) -> Tensor:
        x = self.body[0](x)
        x += 1
        x.mul_(0.5)
        functional.relu(x, inplace=True)
        y = self.body[3](x)
        y[:, :2] += x[:, :2]
        return functional.silu(y, inplace=True)


class Named(NamedTuple):
    """Two outputs."""

    aux_logits: Tensor
    logits: Tensor


@dataclass
class Output:
    """Logits, and more."""

    logits: Tensor
    hidden: Tensor


class NamedOutput(Base):
    """A named tuple."""

    def forward(self, x: Tensor) -> Named:  # type: ignore[override]
        logits = super().forward(x)
        return Named(2 * logits, logits)


class DataclassOutput(Base):
    """A dataclass."""

    def forward(self, x: Tensor) -> Output:  # type: ignore[override]
        y = self.features(x)
        return Output(self.fc(y.mean([2, 3])), y)


class DictOutput(Base):
    """A dictionary."""

    def forward(self, x: Tensor) -> dict[str, Tensor]:  # type: ignore[override]
        return OrderedDict(logits=super().forward(x), other=x)


class Dropping(Base):
    """Dropout, and a block that is left out by chance, by each generator that there is."""

    def __init__(self) -> None:
        super().__init__()
        self.block = nn.Conv2d(4, 4, 3, padding=1)

    def features(self, x: Tensor) -> Tensor:
        import random

        import numpy as np

        x = functional.dropout(self.body(x), 0.2, self.training)
        if self.training and random.random() + np.random.rand() > 1.2:
            return x
        return x + self.block(x)


class Checkpointed(Base):
    """Computes its body again in the backward."""

    def __init__(self, *, reentrant: bool) -> None:
        super().__init__()
        self.reentrant = reentrant

    def features(self, x: Tensor) -> Tensor:
        return checkpoint(self.body, x, use_reentrant=self.reentrant)


class Autocast(Base):
    """Asks for bfloat16 inside."""

    def features(self, x: Tensor) -> Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return self.body(x)


class Swish(torch.autograd.Function):
    """The memory-saving form of older networks."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x * torch.sigmoid(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        gate = torch.sigmoid(x)
        return gradient * (gate * (1 + x * (1 - gate)))


class MemorySaving(Base):
    """An activation that is a function of its own."""

    def features(self, x: Tensor) -> Tensor:
        x = Swish.apply(self.body[0](x))  # type: ignore[no-untyped-call]
        return Swish.apply(self.body[3](x))  # type: ignore[no-untyped-call]


class Unused(Base):
    """Layers beside the network."""

    def __init__(self) -> None:
        super().__init__()
        self.left_out = nn.Conv2d(9, 9, 3)
        self.norm = nn.BatchNorm2d(9)


class Recurrent(Base):
    """Rows of a feature map as steps of a GRU."""

    def __init__(self) -> None:
        super().__init__()
        self.steps = nn.GRU(4, 4, batch_first=True)

    def features(self, x: Tensor) -> Tensor:
        x = self.body(x)
        return self.steps(x.mean(3).transpose(1, 2))[0].transpose(1, 2)[..., None] + x


class Attending(nn.Module):
    """Patches, LayerNorm, attention, GELU."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 2, stride=2)
        self.norm = nn.LayerNorm(8)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.mlp = nn.Sequential(nn.LayerNorm(8), nn.Linear(8, 16), nn.GELU(), nn.Linear(16, 8))
        self.head = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        y = self.patches(x).flatten(2).transpose(1, 2)
        z = self.norm(y)
        y = y + self.attention(z, z, z, need_weights=False)[0]
        return self.head((y + self.mlp(y)).mean(1))


def with_hooks() -> nn.Module:
    """A forward hook that notes and changes outputs, a pre-hook, and a backward hook."""
    network: Any = Base()
    seen: list[Tensor] = []

    def double(_module: nn.Module, _inputs: object, out: Tensor) -> Tensor:
        seen.append(out)
        return 2 * out

    network.body[0].register_forward_hook(double)
    network.body[3].register_forward_pre_hook(lambda _module, inputs: (inputs[0] + 1,))
    network.fc.register_full_backward_hook(lambda _module, _into, out: seen.append(out[0]))
    network.seen = seen
    return network


def with_observer() -> nn.Module:
    """A hook that is a method of another object, which knows the network."""

    class Observer:
        def __init__(self, network: nn.Module) -> None:
            self.network = network
            self.outputs: dict[str, Tensor] = {}

        def note(self, _module: nn.Module, _inputs: object, out: Tensor) -> None:
            self.outputs["last"] = out

    network: Any = Base()
    network.observer = Observer(network)
    network.body.register_forward_hook(network.observer.note)
    return network


def patched() -> nn.Module:
    """A forward that was replaced on the instance: a closure over the old one, and a method."""
    network: Any = Base()
    before = network.body.forward
    calls = {"n": 0}

    def forward(x: Tensor) -> Tensor:
        calls["n"] += 1
        return before(x) * 2

    network.body.forward = forward
    network.calls = calls
    network.fc.forward = types.MethodType(
        lambda self, x: functional.linear(x, self.weight, self.bias) + 1, network.fc
    )
    return network


def frozen() -> nn.Module:
    """Part of it frozen, part in evaluation mode."""
    network = Base()
    network.body.requires_grad_(False)
    network.body[1].eval()
    return network


def with_gradients() -> nn.Module:
    """Gradients from a step before."""
    network = Base()
    network(torch.randn(4, 3, 8, 8)).sum().backward()
    return network


def trained() -> nn.Module:
    """Running statistics that are not those of a new network."""
    network = Base()
    for _ in range(3):
        network(3 * torch.randn(8, 3, 8, 8) + 1)
    return network


def pruned() -> nn.Module:
    """Half of a layer's weights masked."""
    network = Base()
    prune.l1_unstructured(network.body[3], "weight", 0.5)
    return network


def normed(norm: Callable[[nn.Module], nn.Module]) -> nn.Module:
    """Weights that are computed from others."""
    network = Base()
    norm(network.body[3])
    norm(network.fc)
    return network


def compiled(network: nn.Module) -> nn.Module:
    """By torch.compile, which says that it returns any function."""
    return cast(nn.Module, torch.compile(network))


def channels_last(network: nn.Module) -> nn.Module:
    """Weights whose channels are innermost in memory."""
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def double_wrapped() -> nn.Module:
    """A wrapper around a wrapper."""
    return nn.Sequential(nn.Sequential(Base()))


def traced() -> nn.Module:
    """A graph of torch.fx."""
    return torch.fx.symbolic_trace(Base())


ZOO: dict[str, Callable[[], nn.Module]] = {
    "plain": plain,
    "alias": Alias,
    "shared_convolution": SharedConvolution,
    "shared_norm": SharedNorm,
    "tied_weights": TiedWeights,
    "lazy_table": LazyTable,
    "lazy_dictionary": LazyDictionary,
    "class_cache": ClassCache,
    "rotary_cache": RotaryCache,
    "counting": Counting,
    "history": History,
    "plain_tensors": PlainTensors,
    "unregistered": Unregistered,
    "parent": Parent,
    "raises_later": RaisesLater,
    "locked": Locked,
    "functional": Functional,
    "rewritten": Rewritten,
    "named_output": NamedOutput,
    "dataclass_output": DataclassOutput,
    "dict_output": DictOutput,
    "dropping": Dropping,
    "checkpointed": lambda: Checkpointed(reentrant=False),
    "checkpointed_reentrant": lambda: Checkpointed(reentrant=True),
    "autocast": Autocast,
    "memory_saving": MemorySaving,
    "unused": Unused,
    "recurrent": Recurrent,
    "attending": Attending,
    "with_hooks": with_hooks,
    "with_observer": with_observer,
    "patched": patched,
    "frozen": frozen,
    "with_gradients": with_gradients,
    "trained": trained,
    "pruned": pruned,
    "old_weight_norm": lambda: normed(nn.utils.weight_norm),
    "old_spectral_norm": lambda: normed(nn.utils.spectral_norm),
    "weight_norm": lambda: normed(parametrizations.weight_norm),
    "spectral_norm": lambda: normed(parametrizations.spectral_norm),
    "orthogonal": lambda: normed(parametrizations.orthogonal),
    "data_parallel": lambda: nn.DataParallel(Base()),
    "compiled": lambda: compiled(Base()),
    "compiled_part": lambda: nn.Sequential(compiled(body()), nn.Flatten(), nn.Linear(256, 4)),
    "double_wrapped": double_wrapped,
    "traced": traced,
    "channels_last": lambda: channels_last(Base()),
    "bfloat16": lambda: Base().to(torch.bfloat16),
    "half": lambda: Base().half(),
    "double": lambda: Base().double(),
    "one_channel": lambda: plain(1),
    "six_channels": lambda: plain(6),
    "oblong": plain,
}
