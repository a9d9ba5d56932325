"""zen: Zen-score."""

from jaxtyping import Float
from torch import Tensor

from acorn.proxies._engine import NOISE, Records, proxy


@proxy("zen", reads=NOISE)
def zen(records: Records) -> Float[Tensor, " draws"]:
    """Log of the feature map's change under a perturbed Gaussian input, scale put back.

    BatchNorm divides by its input's standard deviation; adding the logs of these standard
    deviations undoes that. The last feature map (four dimensions, larger than one pixel) is
    read, so a network without one has no score. The value is the mean over 4 draws of weights
    and noise, of 8 images each: the weights and the size of the batch do not enter.

    Source: Lin et al., Zen-NAS, ICCV 2021, algorithm 1 (4 repetitions).
    """
    return records.noise.difference.log() + records.noise.log_scale
