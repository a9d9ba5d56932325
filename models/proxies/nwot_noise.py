"""nwot_noise: nwot on Gaussian noise."""

from models.proxies.nwot import Nwot
from models.proxies.registry import Pass, proxy


@proxy("nwot_noise", reads=Pass.RANDOM)
class NwotNoise(Nwot):
    """The score of :mod:`models.proxies.nwot` on Gaussian noise in place of images.

    Images differ from each other far less than noise does; what is left says how a network
    separates inputs that have nothing in common. Cost: one matrix product a rectifier, in the
    forward that other proxies run.

    Source: as nwot; on noise in many comparisons of proxies, so that no data are needed.
    """
