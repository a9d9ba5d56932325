"""NAS-Bench-201's macro skeleton (Dong and Yang, ICLR 2020, figure 1) around one searched cell."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from acorn.spaces.nats_tss.cell import EDGES
from acorn.spaces.network_blocks import ChainNetwork, ReLUConvBN, ResidualBlock, conv_bn


class Cell(nn.Module):
    """Four nodes, an operation on each of the six edges; a node is the sum of its edges.

    Parameters
    ----------
    operations : sequence of str, length 6
        Operation names, in the order of :data:`~acorn.spaces.nats_tss.cell.EDGES`.
    channels : int
        Width of input and output.
    """

    def __init__(self, operations: Sequence[str], channels: int) -> None:
        super().__init__()
        self.sources: list[list[tuple[int, str]]] = [[] for _ in range(3)]
        self.edges = nn.ModuleDict()
        for (source, target), operation in zip(EDGES, operations, strict=True):
            if operation != "none":
                key = f"{source}_{target}"
                self.edges[key] = _operation(operation, channels)
                self.sources[target - 1].append((source, key))

    def forward(self, x: Float[Tensor, "batch c h w"]) -> Float[Tensor, "batch c h w"]:
        """Evaluate the nodes in order; a node without edges is zero."""
        nodes = [x]
        for sources in self.sources:
            terms = [self.edges[key](nodes[source]) for source, key in sources]
            nodes.append(sum(terms[1:], terms[0]) if terms else torch.zeros_like(x))
        return nodes[-1]


class TopologyNetwork(ChainNetwork):
    """Stem, three stages of cells with residual reductions between them, and a linear head.

    Parameters
    ----------
    operations : sequence of str, length 6
        The cell, as in :class:`Cell`.
    num_classes : int
        Width of the logits.
    channels : int, default=16
        Width of the first stage; doubles at each reduction.
    cells : int, default=5
        Number of cells of each stage.
    """

    def __init__(
        self, operations: Sequence[str], num_classes: int, *, channels: int = 16, cells: int = 5
    ) -> None:
        super().__init__()
        self.stem = conv_bn(3, channels, 3)
        body: list[nn.Module] = []
        width = channels
        for stage in range(3):
            if stage > 0:
                body.append(ResidualBlock(width, 2 * width))
                width *= 2
            body.extend(Cell(operations, width) for _ in range(cells))
        self.body = nn.Sequential(*body)
        self.last = nn.Sequential(nn.BatchNorm2d(width), nn.ReLU())
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(width, num_classes)


def _operation(name: str, channels: int) -> nn.Module:
    if name == "skip_connect":
        return nn.Identity()
    if name == "avg_pool_3x3":
        return nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)
    return ReLUConvBN(channels, channels, kernel=int(name[-1]))
