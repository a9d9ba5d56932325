"""The network of NATS-Bench's size space (Dong et al., TPAMI 2021, section 3.2): five widths."""

from jaxtyping import Float
from torch import Tensor, nn

from acorn.spaces.nats_sss.channels import Channels
from acorn.spaces.network_blocks import ChainNetwork, ReLUConvBN, ResidualBlock, conv_bn


class SizeCell(nn.Module):
    """The topology space's best cell for CIFAR-100, between two widths.

    ``|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|
    nor_conv_3x3~2|``: the edges that leave the input change the width, so the skip is a 1x1
    convolution with BatchNorm where the widths differ.

    Maps ``(batch, c_in, h, w)`` to ``(batch, c_out, h, w)``.
    """

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.conv_01 = ReLUConvBN(c_in, c_out, 3)
        self.conv_02 = ReLUConvBN(c_in, c_out, 3)
        self.conv_12 = ReLUConvBN(c_out, c_out, 3)
        self.skip_03 = conv_bn(c_in, c_out, 1) if c_in != c_out else nn.Identity()
        self.conv_13 = ReLUConvBN(c_out, c_out, 3)
        self.conv_23 = ReLUConvBN(c_out, c_out, 3)

    def forward(self, x: Float[Tensor, "batch c_in h w"]) -> Float[Tensor, "batch c_out h w"]:
        """Evaluate the cell's nodes in order."""
        first = self.conv_01(x)
        second = self.conv_02(x) + self.conv_12(first)
        return self.skip_03(x) + self.conv_13(first) + self.conv_23(second)


class SizeNetwork(ChainNetwork):
    """Stem, three stages of one cell with residual reductions between them, and a linear head.

    Initialised as torch does by default.

    Parameters
    ----------
    channels : tuple of int, length 5
        Widths of the first cell (and the stem), the first reduction, the second cell, the second
        reduction and the third cell.
    num_classes : int
        Width of the logits.
    """

    def __init__(self, channels: Channels, num_classes: int) -> None:
        super().__init__()
        a, b, c, d, e = channels
        self.stem = conv_bn(3, a, 3)
        self.body = nn.Sequential(
            SizeCell(a, a), ResidualBlock(a, b), SizeCell(b, c), ResidualBlock(c, d), SizeCell(d, e)
        )
        self.last = nn.Sequential(nn.BatchNorm2d(e), nn.ReLU())
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(e, num_classes)
