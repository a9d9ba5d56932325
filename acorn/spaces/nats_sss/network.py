"""The network of NATS-Bench's size space (Dong et al., TPAMI 2021, section 3.2): five widths."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from acorn.spaces.network_blocks import ReLUConvBN, ResidualBlock


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
        self.skip_03: nn.Module = nn.Identity()
        if c_in != c_out:
            self.skip_03 = nn.Sequential(
                nn.Conv2d(c_in, c_out, 1, bias=False), nn.BatchNorm2d(c_out)
            )
        self.conv_13 = ReLUConvBN(c_out, c_out, 3)
        self.conv_23 = ReLUConvBN(c_out, c_out, 3)

    def forward(self, x: Float[Tensor, "batch c_in h w"]) -> Float[Tensor, "batch c_out h w"]:
        """Evaluate the cell's nodes in order."""
        first = self.conv_01(x)
        second = self.conv_02(x) + self.conv_12(first)
        third: Tensor = self.skip_03(x) + self.conv_13(first) + self.conv_23(second)
        return third


class SizeNetwork(nn.Module):
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

    def __init__(self, channels: tuple[int, int, int, int, int], num_classes: int) -> None:
        super().__init__()
        first, *widths = channels
        self.stem = nn.Sequential(
            nn.Conv2d(3, first, 3, padding=1, bias=False), nn.BatchNorm2d(first)
        )
        body: list[nn.Module] = [SizeCell(first, first)]
        width = first
        for index, wider in enumerate(widths):
            reduces = index % 2 == 0
            body.append(ResidualBlock(width, wider, 2) if reduces else SizeCell(width, wider))
            width = wider
        self.body = nn.Sequential(*body)
        self.last = nn.Sequential(nn.BatchNorm2d(width), nn.ReLU())
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(width, num_classes)

    def forward(self, x: Float[Tensor, "batch 3 h w"]) -> Float[Tensor, "batch classes"]:
        """Logits of a batch of images."""
        features: Tensor = self.pool(self.last(self.body(self.stem(x))))
        logits: Tensor = self.classifier(torch.flatten(features, 1))
        return logits
