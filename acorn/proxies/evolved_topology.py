"""evolved_topology: a program that evolution found on cells of NAS-Bench-201."""

from acorn.proxies._engine import LAYERS, proxy
from acorn.proxies._programs.evolved import EvolvedProxy
from acorn.proxies._programs.program import Program


@proxy("evolved_topology", reads=LAYERS)
class EvolvedTopology(EvolvedProxy):
    """Sum over layers of the floor of their channels, times a weighted mean of their rank.

    Both are of the correlation of the channels of a layer's input for noise, as in
    :mod:`acorn.proxies.evolved_channel_rank`: its smallest eigenvalue f, and its effective rank.
    The weight of a layer is how much g^f changes from the layer before, g the mean absolute
    gradient of the summed logits in the weights.

    Cost: a forward and backward of 8 noise images, and an eigenvalue problem of at most 64 channels
    a layer.

    It ranks networks that differ in topology. Among networks that differ in width the floor falls
    with the number of channels, and so does the value.

    Source: ``acorn evolve`` on 167 cells of NAS-Bench-201 and CIFAR-10 (docs/results.md has its
    scores on other cells and datasets).
    """

    program = Program.parse(
        [
            "network.multiply",
            [
                "reduce.weighted_mean",
                "noise.input.channel_rank",
                [
                    "layers.change",
                    ["layers.power", "noise.weight_gradient.l1", "noise.input.channel_floor"],
                ],
            ],
            ["reduce.sum", "noise.input.channel_floor"],
        ]
    )
