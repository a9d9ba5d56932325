"""evolved_weight_rank: a program that evolution found on the size space of NATS-Bench."""

from acorn.proxies._engine import LAYERS, proxy
from acorn.proxies._programs.evolved import EvolvedProxy
from acorn.proxies._programs.program import Program


@proxy("evolved_weight_rank", reads=LAYERS)
class EvolvedWeightRank(EvolvedProxy):
    """Mean over layers of the root of the effective rank of their weight, weighted by gradients.

    The weight of a layer in the mean is the root of the largest gradient of the summed logits at
    its output, for noise. The effective rank is of the matrix of one row an output channel, of at
    most 256 rows.

    Cost: a forward and backward of 8 noise images, and an eigenvalue problem a layer.

    It ranks networks of one topology that differ in their widths.

    Source: ``acorn evolve`` on 100 networks of NATS-Bench's size space and ImageNet16-120
    (docs/results.md has its scores on other networks and datasets).
    """

    program = Program.parse(
        [
            "reduce.weighted_mean",
            ["layers.sqrt", "weight.rank"],
            ["layers.sqrt", "noise.output_gradient.max"],
        ]
    )
