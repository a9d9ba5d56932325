"""Networks in two ways of writing them. All take 3 x 8 x 8 images and give four logits."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrizations
from torch.utils.checkpoint import checkpoint

from tests.proxies.zoo import Base, Swish, channels_last

Build = Callable[[], nn.Module]


def head(*layers: nn.Module, width: int = 4) -> nn.Sequential:
    """Layers, pooling and a linear layer."""
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 4))


def chain(activation: Build = nn.ReLU, norm: Build | None = None) -> nn.Sequential:
    """Two convolutions, each with a norm and an activation."""
    norm = norm or (lambda: nn.BatchNorm2d(4))
    return head(
        nn.Conv2d(3, 4, 3, padding=1), norm(), activation(),
        nn.Conv2d(4, 4, 3, padding=1), norm(), activation(),
    )  # fmt: skip


class Written(nn.Module):
    """The layers of a chain, applied as a function of the test's says."""

    def __init__(self, forward: Callable[[Any, Tensor], Tensor], layers: Any) -> None:
        super().__init__()
        for name, layer in layers.named_children():
            if any(True for _ in layer.parameters()):
                self.add_module(name, layer)
        self.written = forward

    def forward(self, x: Tensor) -> Tensor:
        return self.written(self, x)


def layers_of(module: nn.Module) -> list[nn.Module]:
    return [*module.children()]


def activated(activation: Callable[[Tensor], Tensor]) -> Callable[[nn.Module, Tensor], Tensor]:
    """A chain's layers with an activation that is a function."""

    def forward(module: nn.Module, x: Tensor) -> Tensor:
        first, norm, second, other, linear = layers_of(module)
        x = activation(norm(first(x)))
        x = activation(other(second(x)))
        return linear(functional.adaptive_avg_pool2d(x, 1).flatten(1))

    return forward


def with_function(activation: Callable[[Tensor], Tensor], module: Build) -> tuple[Build, Build]:
    """An activation as a module and as a function."""
    return lambda: chain(module), lambda: Written(activated(activation), chain(module))


class Bare(nn.Module):
    """Parameters, and functions that use them."""

    def __init__(self, like: nn.Module, forward: Callable[..., Tensor]) -> None:
        super().__init__()
        for name, parameter in like.named_parameters():
            self.register_parameter(name.replace(".", "_"), parameter)
        for name, buffer in like.named_buffers():
            self.register_buffer(name.replace(".", "_"), buffer)
        self.written = forward

    def forward(self, x: Tensor) -> Tensor:
        return self.written(self, x, *self._parameters.values())


def bare_chain(module: Bare, x: Tensor, *p: Tensor) -> Tensor:
    w, b, s, h, w2, b2, s2, h2, wf, bf = p
    stats = [module._buffers[name] for name in module._buffers if "num" not in name]
    x = functional.conv2d(x, w, b, padding=1)
    x = functional.batch_norm(x, stats[0], stats[1], s, h, module.training).relu_()
    x = functional.conv2d(x, w2, b2, padding=1)
    x = torch.relu(functional.batch_norm(x, stats[2], stats[3], s2, h2, module.training))
    return functional.linear(x.mean([2, 3]), wf, bf)


class Patches(nn.Module):
    """Tokens, LayerNorm, attention and an MLP."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 2, stride=2)
        self.norm = nn.LayerNorm(8)
        self.qkv = nn.Linear(8, 24)
        self.out = nn.Linear(8, 8)
        self.norm2 = nn.LayerNorm(8)
        self.up, self.down = nn.Linear(8, 16), nn.Linear(16, 8)
        self.head = nn.Linear(8, 4)
        self.act = nn.GELU()
        self.fused = True

    def attention(self, z: Tensor) -> Tensor:
        q, k, v = self.qkv(z).unflatten(-1, (3, 2, 4)).permute(2, 0, 3, 1, 4)
        if self.fused:
            y = functional.scaled_dot_product_attention(q, k, v)
        else:
            y = (q * 4**-0.5 @ k.transpose(-2, -1)).softmax(-1) @ v
        return self.out(y.transpose(1, 2).flatten(2))

    def forward(self, x: Tensor) -> Tensor:
        y = self.patches(x).flatten(2).transpose(1, 2)
        y = y + self.attention(self.norm(y))
        y = y + self.down(self.act(self.up(self.norm2(y))))
        return self.head(y.mean(1))


class FunctionalPatches(Patches):
    """The same by functions."""

    def __init__(self) -> None:
        super().__init__()
        del self.act

    def forward(self, x: Tensor) -> Tensor:
        y = functional.conv2d(x, self.patches.weight, self.patches.bias, 2).flatten(2)
        y = y.transpose(1, 2)
        y = y + self.attention(functional.layer_norm(y, (8,), self.norm.weight, self.norm.bias))
        z = functional.layer_norm(y, (8,), self.norm2.weight, self.norm2.bias)
        z = functional.linear(z, self.up.weight, self.up.bias)
        y = y + functional.linear(functional.gelu(z), self.down.weight, self.down.bias)
        return functional.linear(y.mean(1), self.head.weight, self.head.bias)


def manual_attention() -> nn.Module:
    network = Patches()
    network.fused = False
    return network


class SamePadding(nn.Conv2d):
    """Pads by hand, as TensorFlow does."""

    def forward(self, x: Tensor) -> Tensor:
        x = functional.pad(x, (1, 1, 1, 1))
        return functional.conv2d(x, self.weight, self.bias, self.stride, 0)


class Quiet(nn.Conv2d):
    """A convolution of another class."""


class OwnSwish(nn.Module):
    """An activation by an autograd function."""

    def forward(self, x: Tensor) -> Tensor:
        return Swish.apply(x)  # type: ignore[no-untyped-call]


bound_swish = Swish.apply


class BoundSwish(nn.Module):
    """The same by a name that was bound before."""

    def forward(self, x: Tensor) -> Tensor:
        return bound_swish(x)  # type: ignore[no-untyped-call]


class WrittenSwish(nn.Module):
    """An activation written out."""

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(x)


class WrittenHardSwish(nn.Module):
    """MobileNet's, as in older code."""

    def forward(self, x: Tensor) -> Tensor:
        return x * functional.relu6(x + 3) / 6


class Rectifier(torch.autograd.Function):
    """A rectifier that saves its mask."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x > 0)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient * ctx.saved_tensors[0]


class Residual(Base):
    """A block with a skip, in the usual ways of writing it."""

    def __init__(self, *, in_place: bool = False, path: str = "plain") -> None:
        super().__init__()
        self.path = path
        self.conv = nn.Conv2d(4, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.act = nn.ReLU(inplace=in_place)
        self.in_place = in_place

    def block(self, x: Tensor) -> Tensor:
        y = self.norm(self.conv(x))
        if self.in_place:
            y += x
            return self.act(y)
        return self.act(y + x)

    def features(self, x: Tensor) -> Tensor:
        x = self.body(x)
        if self.path == "reentrant":
            return checkpoint(self.block, x, use_reentrant=True)
        if self.path == "checkpoint":
            return checkpoint(self.block, x, use_reentrant=False)
        if self.path == "autocast":
            with torch.autocast("cpu", dtype=torch.bfloat16):
                return self.block(x)
        return self.block(x)


class Preactivated(Base):
    """A block that begins with a rectifier, in place or not."""

    def __init__(self, *, in_place: bool) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.SiLU(in_place), nn.Conv2d(4, 4, 3, padding=1)) for _ in range(2)
        )

    def features(self, x: Tensor) -> Tensor:
        x = self.body[0](x)
        for block in self.blocks:
            x = block(x)
        return x


class Beside(Base):
    """Layers that do not run, in front and behind."""

    def __init__(self) -> None:
        nn.Module.__init__(self)
        self.before = nn.Conv2d(5, 5, 3)
        network = Base()
        self.body, self.fc = network.body, network.fc
        self.after = nn.Sequential(nn.Conv2d(7, 7, 1), nn.BatchNorm2d(7), nn.ReLU())


def wrapped(times: int) -> nn.Module:
    network: nn.Module = Base()
    for _ in range(times):
        network = nn.Sequential(network)
    return network


def last_layout(build: Build) -> Build:
    return lambda: channels_last(build())


def traced() -> nn.Module:
    return torch.fx.symbolic_trace(Base())


def compiled() -> nn.Module:
    network = Base()
    network.compile()
    return network


def normed(norm: Callable[..., nn.Module]) -> Build:
    def build() -> nn.Module:
        network = Base()
        norm(network.body[3])
        return network

    return build


def without_norm() -> nn.Module:
    """The weight that spectral normalisation computes, as a parameter."""
    network: Any = normed(nn.utils.spectral_norm)()
    nn.utils.remove_spectral_norm(network.body[3])
    return network


def rectified(x: Tensor) -> Tensor:
    return Rectifier.apply(x)  # type: ignore[no-untyped-call]


def swish(x: Tensor) -> Tensor:
    return Swish.apply(x)  # type: ignore[no-untyped-call]


def bounded() -> nn.Module:
    """Rectified by a clamp."""
    return Written(activated(lambda x: x.clamp(min=0)), chain())


PAIRS: dict[str, tuple[Build, Build]] = {
    # activations
    "relu, F": with_function(functional.relu, nn.ReLU),
    "relu, method": with_function(lambda x: x.relu(), nn.ReLU),
    "relu, torch in place": with_function(torch.relu_, nn.ReLU),
    "relu, F in place": with_function(lambda x: functional.relu(x, True), nn.ReLU),
    "relu, clamp": (chain, bounded),
    "relu, clamp_min": with_function(lambda x: torch.clamp_min(x, 0), nn.ReLU),
    "relu, own function": with_function(rectified, nn.ReLU),
    "relu6, F": with_function(functional.relu6, nn.ReLU6),
    "leaky, F": with_function(functional.leaky_relu, nn.LeakyReLU),
    "gelu, F": with_function(functional.gelu, nn.GELU),
    "silu, F": with_function(functional.silu, nn.SiLU),
    "silu, F in place": with_function(lambda x: functional.silu(x, inplace=True), nn.SiLU),
    "hardswish, F": with_function(functional.hardswish, nn.Hardswish),
    "mish, F": with_function(functional.mish, nn.Mish),
    "elu, F": with_function(functional.elu, nn.ELU),
    "silu, autograd function": with_function(swish, nn.SiLU),
    "silu, module of a function": (lambda: chain(nn.SiLU), lambda: chain(OwnSwish)),
    "silu, module of a bound function": (lambda: chain(nn.SiLU), lambda: chain(BoundSwish)),
    "silu, written out": (lambda: chain(nn.SiLU), lambda: chain(WrittenSwish)),
    "hardswish, written out": (lambda: chain(nn.Hardswish), lambda: chain(WrittenHardSwish)),
    "relu, module in place": (chain, lambda: chain(lambda: nn.ReLU(inplace=True))),
    "silu, module in place": (
        lambda: chain(nn.SiLU), lambda: chain(lambda: nn.SiLU(inplace=True))
    ),
    "hardswish, module in place": (
        lambda: chain(nn.Hardswish), lambda: chain(lambda: nn.Hardswish(inplace=True))
    ),
    "one shared activation": (
        chain, lambda: (lambda act: chain(lambda: act))(nn.ReLU())
    ),
    # layers
    "convolution, norm and linear by functions": (chain, lambda: Bare(chain(), bare_chain)),
    "layers of a transformer by functions": (Patches, FunctionalPatches),
    "attention, fused or by products": (Patches, manual_attention),
    "convolution that pads by hand": (
        lambda: head(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 3, padding=1)),
        lambda: head(SamePadding(3, 4, 3), nn.ReLU(), SamePadding(4, 4, 3)),
    ),
    "convolution of another class": (
        lambda: head(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 3, padding=1)),
        lambda: head(Quiet(3, 4, 3, padding=1), nn.ReLU(), Quiet(4, 4, 3, padding=1)),
    ),
    "padding by name": (
        lambda: head(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 3, padding=1)),
        lambda: head(
            nn.Conv2d(3, 4, 3, padding="same"), nn.ReLU(), nn.Conv2d(4, 4, 3, padding="same")
        ),
    ),
    # blocks
    "skip added in place": (Residual, lambda: Residual(in_place=True)),
    "blocks that begin in place": (
        lambda: Preactivated(in_place=False), lambda: Preactivated(in_place=True)
    ),
    "checkpointed": (Residual, lambda: Residual(path="checkpoint")),
    "checkpointed, reentrant": (Residual, lambda: Residual(path="reentrant")),
    "autocast": (Residual, lambda: Residual(path="autocast")),
    # the network
    "channels last": (Base, last_layout(Base)),
    "channels last, residual": (Residual, last_layout(Residual)),
    "wrapped once": (Base, lambda: wrapped(1)),
    "wrapped twice": (Base, lambda: wrapped(2)),
    "data parallel": (Base, lambda: nn.DataParallel(Base())),
    "compiled": (Base, compiled),
    "traced": (Base, traced),
    "evaluating": (Base, lambda: Base().eval()),
    "frozen": (Base, lambda: Base().requires_grad_(False)),
    "unused layers": (Base, Beside),
    "weight norm": (Base, normed(parametrizations.weight_norm)),
    "old weight norm": (Base, normed(nn.utils.weight_norm)),
    "old spectral norm": (without_norm, normed(nn.utils.spectral_norm)),
}  # fmt: skip
"""One network written in two ways."""

_DISSOLVED = "counts the outputs of containers, which a trace dissolves"
_PADDED = "the input of a layer then contains its padding"
DIFFERENCES: dict[str, dict[str, str]] = {
    "traced": {"meco": _DISSOLVED, "meco_opt": _DISSOLVED},
    "unused layers": {"params": "counts all parameters, by definition"},
    "convolution that pads by hand": {
        "evolved_channel_rank": _PADDED,
        "evolved_topology": _PADDED,
    },
}
"""Proxies that differ, and why."""
