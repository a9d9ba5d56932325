"""Networks that are unlike those that proxies were made for."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrizations

from tests.proxies.zoo import channels_last


class Attention(nn.Module):
    """Patches, LayerNorm, self-attention, GELU: no convolution but the first, no BatchNorm."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 2, stride=2)
        self.places = nn.Parameter(torch.zeros(1, 16, 8))
        self.norm = nn.LayerNorm(8)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.mlp = nn.Sequential(nn.LayerNorm(8), nn.Linear(8, 16), nn.GELU(), nn.Linear(16, 8))
        self.head = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        y = self.patches(x).flatten(2).transpose(1, 2) + self.places
        z = self.norm(y)
        y = y + self.attention(z, z, z, need_weights=False)[0]
        return self.head((y + self.mlp(y)).mean(1))


class Joined(nn.Module):
    """Several inputs to one sum and to one concatenation, depthwise and asymmetric kernels."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, padding=1)
        self.depthwise = nn.Conv2d(6, 6, 3, padding=1, groups=6)
        self.wide = nn.Conv2d(6, 6, (1, 3), padding=(0, 1))
        self.dilated = nn.Conv2d(6, 6, 3, padding=2, dilation=2)
        self.mixed = nn.Conv2d(18, 5, 1)
        self.norm = nn.GroupNorm(5, 5)
        self.act = nn.SiLU()
        self.head = nn.Linear(5, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        parts = [self.depthwise(x), self.wide(x), self.dilated(x)]
        y = self.mixed(torch.cat(parts, 1)) + sum(parts)[:, :5]
        return self.head(self.act(self.norm(y)).mean([2, 3]))


class Functional(nn.Module):
    """Rectifies and pools without modules."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3)
        self.second = nn.Conv2d(4, 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return functional.adaptive_avg_pool2d(self.second(self.first(x).relu()).relu(), 1).flatten(
            1
        )


class Tuples(nn.Module):
    """Blocks that return tuples, and a layer that is used twice."""

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 3, 3, padding=1)
            self.relu = nn.ReLU(inplace=True)

        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            y = self.relu(self.conv(self.relu(self.conv(x))))
            return y, x

    def __init__(self) -> None:
        super().__init__()
        self.block = self.Block()
        self.head = nn.Linear(3, 4)

    def forward(self, x: Tensor) -> Tensor:
        y, before = self.block(x)
        return self.head((y + before).mean([2, 3]))


class ValueReading(nn.Module):
    """Chooses its path by what it sees, so that it cannot run on shapes."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x).mean([2, 3])
        return y if float(y.detach().sum()) > 0 else -y


class Siamese(nn.Module):
    """One block twice, one weight in two layers, and a parameter that is read directly."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        first = nn.Conv2d(4, 4, 3, padding=1)
        self.block = nn.Sequential(first, nn.BatchNorm2d(4), nn.ReLU())
        self.twin = nn.Conv2d(4, 4, 3, padding=1)
        self.twin.weight = first.weight
        self.scale = nn.Parameter(torch.ones(4, 1, 1))
        self.head = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        y = self.block(self.block(self.stem(x)))
        return self.head((self.scale * self.twin(y) * self.scale).mean([2, 3]))


class AuxiliaryHead(nn.Module):
    """Two heads while it trains, in an output that names the main one."""

    class Output(NamedTuple):
        aux_logits: Tensor
        logits: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True))
        self.body = nn.Sequential(nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True))
        self.aux = nn.Linear(4, 4)
        self.head = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor | Output:
        x = self.stem(x)
        logits = self.head(self.body(x).mean([2, 3]))
        return self.Output(self.aux(x.mean([2, 3])), logits) if self.training else logits


class Returning(nn.Module):
    """Hands its logits on in something else."""

    def __init__(self, wrap: Callable[[Tensor], object]) -> None:
        super().__init__()
        self.network = plain_network()
        self.wrap = wrap

    def forward(self, x: Tensor) -> object:
        return self.wrap(self.network(x))


class NormAct(nn.BatchNorm2d):
    """Normalises and rectifies, as in many published networks."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        self.act = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        running = (None, None) if self.training else (self.running_mean, self.running_var)
        y = functional.batch_norm(
            x, *running, self.weight, self.bias, self.training or running[0] is None, 0.1, self.eps
        )
        return self.act(y)


class MapNorm(nn.LayerNorm):
    """Normalises feature maps over their channels."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


def fused(norm: Callable[[int], nn.Module] = NormAct) -> nn.Sequential:
    """Two convolutions with norms of somebody else's making."""
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), norm(4), nn.Conv2d(4, 6, 3, padding=1), norm(6),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 4),
    )  # fmt: skip


class Windows(nn.Module):
    """Rectifies windows of the image that lie in the batch's axis."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.act = nn.ReLU()
        self.mix = nn.Linear(16, 16)
        self.body = nn.Conv2d(4, 4, 3, padding=1)
        self.head = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.stem(x))
        windows = x.unflatten(3, (-1, 4)).unflatten(2, (-1, 4)).permute(0, 2, 4, 1, 3, 5)
        mixed = self.act(self.mix(windows.flatten(4).flatten(0, 2)))
        back = mixed.reshape(windows.shape).permute(0, 3, 1, 4, 2, 5).reshape(x.shape)
        return self.head(self.body(back).mean([2, 3]))


class Wandering(nn.Module):
    """Loops, and takes branches, by what it has been built of."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleDict(
            {"first": nn.Conv2d(3, 4, 3, padding=1), "again": nn.Conv2d(4, 4, 3, padding=1)}
        )
        self.gate = nn.ParameterList([torch.full((), 0.5), torch.full((), 2.0)])
        self.head = nn.Conv2d(4, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        seen: list[Tensor] = []
        for name, layer in self.layers.items():
            x = functional.relu(layer(x), inplace=True)
            while name == "again" and len(seen) < 3:
                x = self.gate[len(seen) % 2] * layer(x).clamp_(min=-1)
                seen.append(x)
        try:
            return self.head(torch.stack(seen).amax(0)).mean([2, 3])
        finally:
            del seen


class Unused(nn.Module):
    """A layer that the forward leaves out, and one under no_grad."""

    def __init__(self) -> None:
        super().__init__()
        self.fixed = nn.Conv2d(3, 4, 3)
        self.unused = nn.Conv2d(4, 4, 3)
        self.network = nn.Sequential(
            nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1),
            nn.Flatten(), nn.Linear(4, 4),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            x = self.fixed(x)
        return self.network(x)


def plain_network(channels: int = 3, num_classes: int = 4) -> nn.Sequential:
    """Three convolutions, which every proxy can judge."""
    return nn.Sequential(
        nn.Conv2d(channels, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(),
        nn.Conv2d(4, 4, 3, stride=2, padding=1), nn.BatchNorm2d(4), nn.ReLU(inplace=True),
        nn.Conv2d(4, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, num_classes),
    )  # fmt: skip


def frozen() -> nn.Module:
    """All but the head is frozen, and part of it in evaluation mode."""
    network = plain_network()
    for layer in [*network][:-1]:
        layer.requires_grad_(False)
    network[1].eval()
    return network


def normed(norm: Callable[[nn.Module], nn.Module]) -> nn.Module:
    """The weights of two layers are computed from others."""
    network = plain_network()
    norm(network[3])
    norm(network[-1])
    return network


def odd_networks() -> dict[str, nn.Module]:
    """All of them, for images of 3 x 8 x 8 and four classes."""
    torch.manual_seed(0)
    return {
        "siamese": Siamese(),
        "auxiliary_head": AuxiliaryHead(),
        "named_output": Returning(lambda logits: {"logits": logits, "other": None}),
        "tuple_output": Returning(lambda logits: (logits, logits)),
        "dict_output": Returning(lambda logits: {"out": logits}),
        "wandering": Wandering(),
        "norm_act": fused(),
        "map_norm": fused(MapNorm),
        "windows": Windows(),
        "unused": Unused(),
        "frozen": frozen(),
        "weight_norm": normed(parametrizations.weight_norm),
        "spectral_norm": normed(parametrizations.spectral_norm),
        "channels_last": channels_last(plain_network()),
        "evaluating": plain_network().eval(),
        "dropout": nn.Sequential(
            nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Dropout2d(0.5), nn.Conv2d(4, 4, 3), nn.ReLU6(),
            nn.Flatten(), nn.Dropout(0.5), nn.Linear(64, 4),
        ),
        "empty_feature_map": nn.Sequential(nn.Conv2d(3, 4, 9), nn.Flatten(), nn.Linear(4, 4)),
        "attention": Attention(),
        "joined": Joined(),
        "functional": Functional(),
        "tuples": Tuples(),
        "value_reading": ValueReading(),
        "linear": nn.Sequential(nn.Flatten(), nn.Linear(192, 4)),
        "one_channel": nn.Sequential(
            nn.Conv2d(3, 1, 3), nn.BatchNorm2d(1), nn.ReLU(), nn.Conv2d(1, 1, 3), nn.ReLU(),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1, 4),
        ),
        "no_rectifier": nn.Sequential(
            nn.Conv2d(3, 4, 3, stride=2), nn.Tanh(), nn.Conv2d(4, 4, 3, stride=2), nn.Flatten()
        ),
        "norm_at_one_pixel": nn.Sequential(
            nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.BatchNorm2d(4),
            nn.Conv2d(4, 4, 1), nn.Flatten(),
        ),
        "upsampling": nn.Sequential(
            nn.Conv2d(3, 4, 3, stride=2), nn.Upsample(scale_factor=3),
            nn.ConvTranspose2d(4, 4, 3, stride=2), nn.PReLU(), nn.AdaptiveMaxPool2d(1),
            nn.Flatten(), nn.Dropout(0.1),
        ),
        "reflecting": nn.Sequential(
            nn.Conv2d(3, 4, 3, padding="same", padding_mode="reflect"), nn.Hardswish(),
            nn.InstanceNorm2d(4), nn.Conv2d(4, 4, 2), nn.AvgPool2d(7), nn.Flatten(),
        ),
        "plain_batch_norm": nn.Sequential(
            nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, affine=False, track_running_stats=False),
            nn.LeakyReLU(), nn.Conv2d(4, 4, 6), nn.Flatten(),
        ),
    }  # fmt: skip
