"""Building blocks of NAS-Bench-201 and NATS-Bench (Dong and Yang, ICLR 2020; TPAMI 2021)."""

from jaxtyping import Float
from torch import Tensor, nn


class ReLUConvBN(nn.Sequential):
    """ReLU, convolution without bias, BatchNorm: the benchmarks' one kind of convolution.

    Maps ``(batch, c_in, h, w)`` to ``(batch, c_out, h / stride, w / stride)``.
    """

    def __init__(self, c_in: int, c_out: int, kernel: int, stride: int = 1) -> None:
        super().__init__(
            nn.ReLU(),
            nn.Conv2d(c_in, c_out, kernel, stride, padding=kernel // 2, bias=False),
            nn.BatchNorm2d(c_out),
        )


class ResidualBlock(nn.Module):
    """The reduction block between two stages: two 3x3 convolutions and a pooled shortcut.

    Maps ``(batch, c_in, h, w)`` to ``(batch, c_out, h / stride, w / stride)``.
    """

    def __init__(self, c_in: int, c_out: int, stride: int) -> None:
        super().__init__()
        self.conv_a = ReLUConvBN(c_in, c_out, 3, stride)
        self.conv_b = ReLUConvBN(c_out, c_out, 3)
        self.shortcut: nn.Module
        if stride == 2:
            self.shortcut = nn.Sequential(
                nn.AvgPool2d(2, stride=2), nn.Conv2d(c_in, c_out, 1, bias=False)
            )
        elif c_in != c_out:
            self.shortcut = ReLUConvBN(c_in, c_out, 1)
        else:
            self.shortcut = nn.Identity()

    def forward(self, x: Float[Tensor, "batch c_in h w"]) -> Float[Tensor, "batch c_out h2 w2"]:
        """Add the shortcut to the two convolutions."""
        return self.shortcut(x) + self.conv_b(self.conv_a(x))
