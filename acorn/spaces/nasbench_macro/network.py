"""The networks of NAS-Bench-Macro (Su et al., CVPR 2021): a chain of eight chosen blocks."""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn

from acorn.spaces.nasbench_macro.digits import LAST_CHANNELS, STEM_CHANNELS


class InvertedResidual(nn.Module):
    """MobileNetV2's block: widen by 1x1, filter each channel by itself, narrow by 1x1.

    Each convolution is followed by BatchNorm, the first two by ReLU as well. Where width and
    resolution stay, the input is added to the result.

    Maps ``(batch, c_in, h, w)`` to ``(batch, c_out, h / stride, w / stride)``.
    """

    def __init__(self, c_in: int, c_out: int, stride: int, *, kernel: int, expansion: int) -> None:
        super().__init__()
        hidden = c_in * expansion
        self.body = nn.Sequential(
            nn.Conv2d(c_in, hidden, 1, bias=False),
            nn.BatchNorm2d(hidden),
            nn.ReLU(),
            nn.Conv2d(
                hidden, hidden, kernel, stride, padding=kernel // 2, groups=hidden, bias=False
            ),
            nn.BatchNorm2d(hidden),
            nn.ReLU(),
            nn.Conv2d(hidden, c_out, 1, bias=False),
            nn.BatchNorm2d(c_out),
        )
        self.residual = stride == 1 and c_in == c_out

    def forward(self, x: Float[Tensor, "batch c_in h w"]) -> Float[Tensor, "batch c_out h2 w2"]:
        """Apply the three convolutions, and add the input where it fits."""
        result: Tensor = self.body(x)
        return result + x if self.residual else result


class MacroNetwork(nn.Module):
    """Stem, three stages of chosen blocks, a wide 1x1 convolution and a linear head.

    Each stage's first block halves the resolution and doubles the width.

    Parameters
    ----------
    stages : sequence of sequence
        For each stage its blocks: (kernel, expansion) of an inverted residual, or None for an
        identity, which is a 1x1 convolution with BatchNorm where width and resolution change.
    num_classes : int
        Width of the logits.
    """

    def __init__(
        self, stages: Sequence[Sequence[tuple[int, int] | None]], num_classes: int
    ) -> None:
        super().__init__()
        width = STEM_CHANNELS
        self.stem = nn.Sequential(
            nn.Conv2d(3, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()
        )
        body: list[nn.Module] = []
        for stage in stages:
            for index, block in enumerate(stage):
                reduces = index == 0
                body.append(_block(block, width, 2 * width if reduces else width))
                width *= 2 if reduces else 1
        self.body = nn.Sequential(*body)
        self.last = nn.Sequential(
            nn.Conv2d(width, LAST_CHANNELS, 1, bias=False), nn.BatchNorm2d(LAST_CHANNELS), nn.ReLU()
        )
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(LAST_CHANNELS, num_classes)

    def forward(self, x: Float[Tensor, "batch 3 h w"]) -> Float[Tensor, "batch classes"]:
        """Logits of a batch of images."""
        return self.classifier(self.pool(self.last(self.body(self.stem(x)))).flatten(1))


def _block(block: tuple[int, int] | None, c_in: int, c_out: int) -> nn.Module:
    stride = 1 if c_in == c_out else 2
    if block is not None:
        kernel, expansion = block
        return InvertedResidual(c_in, c_out, stride, kernel=kernel, expansion=expansion)
    if stride == 1:
        return nn.Identity()
    return nn.Sequential(nn.Conv2d(c_in, c_out, 1, stride, bias=False), nn.BatchNorm2d(c_out))
