"""croze_ascent: croze with the paper's sign."""

from jaxtyping import Float
from torch import Tensor

from models.proxies.croze import EXCEEDS
from models.proxies.records import Records
from models.proxies.registry import Pass, proxy


@proxy("croze_ascent", reads=Pass.TWIN, nulls={"nan": EXCEEDS, "inf": EXCEEDS})
def croze_ascent(records: Records) -> Float[Tensor, ""]:
    """The score of :mod:`models.proxies.croze` with images that ascend their loss.

    That is what the paper's text says; its released code descends. Of croze's three
    draws it has the first, the network as it is, and so no standard error.

    Source: Ha et al., CRoZe, NeurIPS 2023.
    """
    return records.twin.ascent.sum()
