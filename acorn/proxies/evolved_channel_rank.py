"""evolved_channel_rank: a program that evolution found, for spaces that it did not see."""

from acorn.proxies._engine import LAYERS, proxy
from acorn.proxies._programs.evolved import EvolvedProxy
from acorn.proxies._programs.program import Program


@proxy("evolved_channel_rank", reads=LAYERS)
class EvolvedChannelRank(EvolvedProxy):
    """Mean over layers of the log of the effective rank of their input's channels, for noise.

    A layer is a convolution or linear layer. The effective rank is the exponential of the entropy
    of the normalised eigenvalues of the correlation of the channels over images and pixels, of at
    most 64 channels and 2048 places.

    Cost: a forward of 8 noise images, and an eigenvalue problem of at most 64 channels a layer.

    Source: ``acorn evolve`` on CIFAR-10 of two of NAS-Bench-201, NATS-Bench's size space and
    NAS-Bench-Macro (docs/results.md has its scores on the third one). :mod:`acorn.proxies.near`
    sums the effective rank of outputs; :mod:`acorn.proxies.meco` takes the smallest eigenvalue.
    """

    program = Program.parse(["reduce.mean", ["layers.log", "noise.input.channel_rank"]])
