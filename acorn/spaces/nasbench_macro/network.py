"""The networks of NAS-Bench-Macro (Su et al., CVPR 2021): a chain of eight chosen blocks."""

from jaxtyping import Float
from torch import Tensor, nn

from acorn.spaces.nasbench_macro.digits import BLOCKS, LAST_CHANNELS, STEM_CHANNELS, split_stages
from acorn.spaces.network_blocks import ChainNetwork, conv_bn


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
            *conv_bn(c_in, hidden, 1),
            nn.ReLU(),
            nn.Conv2d(
                hidden, hidden, kernel, stride, padding=kernel // 2, groups=hidden, bias=False
            ),
            nn.BatchNorm2d(hidden),
            nn.ReLU(),
            *conv_bn(hidden, c_out, 1),
        )
        self.residual = stride == 1 and c_in == c_out

    def forward(self, x: Float[Tensor, "batch c_in h w"]) -> Float[Tensor, "batch c_out h2 w2"]:
        """Apply the three convolutions, and add the input where it fits."""
        result: Tensor = self.body(x)
        return result + x if self.residual else result


class MacroNetwork(ChainNetwork):
    """Stem, three stages of chosen blocks, a wide 1x1 convolution and a linear head.

    Each stage's first block halves the resolution and doubles the width. An identity there is a 1x1
    convolution with BatchNorm.

    Parameters
    ----------
    digits : str, length 8
        The blocks.
    num_classes : int
        Width of the logits.
    """

    def __init__(self, digits: str, num_classes: int) -> None:
        super().__init__()
        width = STEM_CHANNELS
        self.stem = nn.Sequential(*conv_bn(3, width, 3), nn.ReLU())
        body: list[nn.Module] = []
        for stage in split_stages(digits):
            for index, digit in enumerate(stage):
                widened = width if index else 2 * width
                body.append(_block(digit, width, widened))
                width = widened
        self.body = nn.Sequential(*body)
        self.last = nn.Sequential(*conv_bn(width, LAST_CHANNELS, 1), nn.ReLU())
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(LAST_CHANNELS, num_classes)


def _block(digit: str, c_in: int, c_out: int) -> nn.Module:
    stride = 1 if c_in == c_out else 2
    block = BLOCKS[int(digit)]
    if block is not None:
        kernel, expansion = block
        return InvertedResidual(c_in, c_out, stride, kernel=kernel, expansion=expansion)
    return nn.Identity() if stride == 1 else conv_bn(c_in, c_out, 1, stride)
