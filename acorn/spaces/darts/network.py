"""The networks of DARTS (Liu et al., ICLR 2019, section 3.1) around two searched cells.

See :mod:`acorn.spaces.darts.skeleton` for the sequence of the cells.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from acorn.spaces.darts.genotype import Genotype
from acorn.spaces.darts.skeleton import CIFAR, PlacedCell, Skeleton, place_cells
from acorn.spaces.network_blocks import ReLUConvBN, conv_bn


class FactorizedReduce(nn.Module):
    """Halve the resolution by two 1x1 convolutions with stride 2, one of them shifted by a pixel.

    Maps ``(batch, c_in, h, w)`` to ``(batch, c_out, h / 2, w / 2)``, h and w even.
    """

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.relu = nn.ReLU()
        self.even = nn.Conv2d(c_in, c_out // 2, 1, 2, bias=False)
        self.odd = nn.Conv2d(c_in, c_out - c_out // 2, 1, 2, bias=False)
        self.norm = nn.BatchNorm2d(c_out)

    def forward(self, x: Float[Tensor, "batch c_in h w"]) -> Float[Tensor, "batch c_out h2 w2"]:
        """Concatenate both halves of the channels."""
        x = self.relu(x)
        halves = torch.cat([self.even(x), self.odd(x[:, :, 1:, 1:])], dim=1)
        return self.norm(halves)


class SeparableConv(nn.Sequential):
    """ReLU, depthwise and 1x1 convolution, BatchNorm; ``repeats`` times, only the first strided.

    Maps ``(batch, c, h, w)`` to ``(batch, c, h / stride, w / stride)``.
    """

    def __init__(
        self, channels: int, kernel: int, stride: int, *, dilation: int = 1, repeats: int = 1
    ) -> None:
        padding = dilation * (kernel // 2)
        layers: list[nn.Module] = []
        for repeat in range(repeats):
            layers += [
                nn.ReLU(),
                nn.Conv2d(
                    channels,
                    channels,
                    kernel,
                    stride if repeat == 0 else 1,
                    padding,
                    dilation,
                    groups=channels,
                    bias=False,
                ),
                nn.Conv2d(channels, channels, 1, bias=False),
                nn.BatchNorm2d(channels),
            ]
        super().__init__(*layers)


class DartsCell(nn.Module):
    """A cell: nodes that each add two operations on earlier nodes, some of them concatenated.

    Nodes 0 and 1 are the outputs of the previous two cells, converted to the width and resolution
    of this cell. Maps ``(batch, before_last, ..)`` and ``(batch, last, ..)`` to
    ``(batch, len(concat) * channels, ..)``.

    Parameters
    ----------
    placed : PlacedCell
        The cell and its widths.
    """

    def __init__(self, placed: PlacedCell) -> None:
        super().__init__()
        channels = placed.channels
        self.enter_0: nn.Module
        if placed.after_reduction:
            self.enter_0 = FactorizedReduce(placed.before_last, channels)
        else:
            self.enter_0 = ReLUConvBN(placed.before_last, channels, 1)
        self.enter_1 = ReLUConvBN(placed.last, channels, 1)
        self.sources = [[source for _, source in node] for node in placed.cell.nodes]
        self.operations = nn.ModuleList(
            nn.ModuleList(
                _operation(name, channels, 2 if placed.reduces and source < 2 else 1)
                for name, source in node
            )
            for node in placed.cell.nodes
        )
        self.concat = placed.cell.concat

    def forward(
        self, before_last: Float[Tensor, "batch c0 h0 w0"], last: Float[Tensor, "batch c1 h w"]
    ) -> Float[Tensor, "batch c2 h2 w2"]:
        """Evaluate the nodes in order."""
        states = [self.enter_0(before_last), self.enter_1(last)]
        for sources, operations in zip(self.sources, self.operations, strict=True):
            assert isinstance(operations, nn.ModuleList)  # noqa: S101 - for the type checker
            first, second = (
                operation(states[source])
                for source, operation in zip(sources, operations, strict=True)
            )
            states.append(first + second)
        return torch.cat([states[index] for index in self.concat], dim=1)


class Zero(nn.Module):
    """The operation ``none``: zeros of the shape that any other operation would return."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x: Float[Tensor, "batch c h w"]) -> Float[Tensor, "batch c h2 w2"]:
        """Zeros that do not depend on ``x``."""
        return torch.zeros_like(x[:, :, :: self.stride, :: self.stride])


class DartsNetwork(nn.Module):
    """Stem, cells of three resolutions, and a linear head; without the auxiliary head.

    Parameters
    ----------
    genotype : Genotype
        The cells.
    num_classes : int
        Width of the logits.
    skeleton : Skeleton, default=CIFAR
        Number and width of the cells, and the kind of stem.
    """

    def __init__(self, genotype: Genotype, num_classes: int, skeleton: Skeleton = CIFAR) -> None:
        super().__init__()
        width = skeleton.stem_width
        self.stem: nn.Module = conv_bn(3, width, 3)
        self.stem_1: nn.Module | None = None
        if skeleton.is_large:
            self.stem = nn.Sequential(
                *conv_bn(3, width // 2, 3, 2), nn.ReLU(), *conv_bn(width // 2, width, 3, 2)
            )
            self.stem_1 = nn.Sequential(nn.ReLU(), *conv_bn(width, width, 3, 2))
        placed = [*place_cells(genotype, skeleton)]
        self.cells = nn.ModuleList(map(DartsCell, placed))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(placed[-1].width, num_classes)

    def forward(self, x: Float[Tensor, "batch 3 h w"]) -> Float[Tensor, "batch classes"]:
        """Logits of a batch of images."""
        before_last = self.stem(x)
        last = before_last if self.stem_1 is None else self.stem_1(before_last)
        for cell in self.cells:
            before_last, last = last, cell(before_last, last)
        return self.classifier(self.pool(last).flatten(1))


def _operation(name: str, channels: int, stride: int) -> nn.Module:
    kind, _, size = name.rpartition("_")
    kernel = int(size[0]) if size[0].isdecimal() else 0
    if name == "none":
        return Zero(stride)
    if name == "skip_connect":
        return nn.Identity() if stride == 1 else FactorizedReduce(channels, channels)
    if name == "conv_7x1_1x7":
        return nn.Sequential(
            nn.ReLU(),
            nn.Conv2d(channels, channels, (1, 7), (1, stride), (0, 3), bias=False),
            nn.Conv2d(channels, channels, (7, 1), (stride, 1), (3, 0), bias=False),
            nn.BatchNorm2d(channels),
        )
    if kind == "max_pool":
        return nn.MaxPool2d(kernel, stride, padding=kernel // 2)
    if kind == "avg_pool":
        return nn.AvgPool2d(kernel, stride, padding=kernel // 2, count_include_pad=False)
    if kind == "sep_conv":
        return SeparableConv(channels, kernel, stride, repeats=2)
    return SeparableConv(channels, kernel, stride, dilation=2)
