"""Building blocks that the networks of several spaces share.

The blocks with ReLU first are those of NAS-Bench-201 and NATS-Bench (Dong and Yang, ICLR 2020;
TPAMI 2021).
"""

from jaxtyping import Float
from torch import Tensor, nn


def conv_bn(c_in: int, c_out: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """Make a padded convolution without bias, and BatchNorm.

    Parameters
    ----------
    c_in, c_out : int
        Numbers of channels.
    kernel : int
        Height and width of the kernel; odd.
    stride : int, default=1
        Stride of both axes.

    Returns
    -------
    torch.nn.Sequential
        Maps ``(batch, c_in, h, w)`` to ``(batch, c_out, h / stride, w / stride)``.
    """
    return nn.Sequential(
        nn.Conv2d(c_in, c_out, kernel, stride, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(c_out),
    )


class ReLUConvBN(nn.Sequential):
    """ReLU, convolution without bias, BatchNorm: the only kind of convolution of the benchmarks.

    Maps ``(batch, c_in, h, w)`` to ``(batch, c_out, h / stride, w / stride)``.
    """

    def __init__(self, c_in: int, c_out: int, kernel: int, stride: int = 1) -> None:
        super().__init__(nn.ReLU(), *conv_bn(c_in, c_out, kernel, stride))


class ResidualBlock(nn.Module):
    """The reduction block between two stages: two 3x3 convolutions and a pooled shortcut.

    Maps ``(batch, c_in, h, w)`` to ``(batch, c_out, h / 2, w / 2)``.
    """

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.conv_a = ReLUConvBN(c_in, c_out, 3, stride=2)
        self.conv_b = ReLUConvBN(c_out, c_out, 3)
        self.shortcut = nn.Sequential(
            nn.AvgPool2d(2, stride=2), nn.Conv2d(c_in, c_out, 1, bias=False)
        )

    def forward(self, x: Float[Tensor, "batch c_in h w"]) -> Float[Tensor, "batch c_out h2 w2"]:
        """Add the shortcut to the two convolutions."""
        return self.shortcut(x) + self.conv_b(self.conv_a(x))


class ChainNetwork(nn.Module):
    """Base of networks of five parts in sequence; a subclass makes the parts.

    Attributes
    ----------
    stem, body, last : torch.nn.Module
        Layers on feature maps.
    pool : torch.nn.Module
        Pools each channel to a single value.
    classifier : torch.nn.Module
        Linear layer that returns the logits.
    """

    stem: nn.Module
    body: nn.Module
    last: nn.Module
    pool: nn.Module
    classifier: nn.Module

    def forward(self, x: Float[Tensor, "batch 3 h w"]) -> Float[Tensor, "batch classes"]:
        """Logits of a batch of images."""
        return self.classifier(self.pool(self.last(self.body(self.stem(x)))).flatten(1))
