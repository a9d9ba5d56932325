"""nwot_noise: nwot on Gaussian noise."""

from acorn.proxies._engine import RANDOM, proxy
from acorn.proxies.nwot import Nwot


@proxy("nwot_noise", reads=RANDOM)
class NwotNoise(Nwot):
    """The score of nwot, on Gaussian noise in place of images.

    Images differ from each other far less than noise does; what is left says how a network
    separates inputs that have nothing in common. Cost: one matrix product a rectifier, in the
    forward that other proxies run.

    Source: as nwot; on noise in many comparisons of proxies, so that no data are needed.
    """
