"""Networks that are unlike those that proxies were made for."""

import torch
from torch import Tensor, nn
from torch.nn import functional


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


def odd_networks() -> dict[str, nn.Module]:
    """All of them, for images of 3 x 8 x 8 and four classes."""
    torch.manual_seed(0)
    return {
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
