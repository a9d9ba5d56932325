"""trainable_layers: number of layers with parameters."""

from acorn.proxies._engine import SURVEY, Records, proxy


@proxy("trainable_layers", reads=SURVEY)
def trainable_layers(records: Records) -> float:
    """Number of modules that own parameters: convolutions, linear layers, norms.

    A baseline, at no cost, that many proxies do not beat. What the source leaves open: whether
    norms count. Here they do; where each convolution has its norm, the order is the same.

    Source: Tybl and Neumann, VKDNW, CVPR 2025, where it is called aleph.
    """
    return float(records.trainable_layers)
