"""croze_ascent: croze with the paper's sign."""

from jaxtyping import Float
from torch import Tensor

from acorn.proxies._engine import EXCEEDS, PERTURBED, Records, proxy


@proxy("croze_ascent", reads=PERTURBED, nulls={"nan": EXCEEDS, "inf": EXCEEDS})
def croze_ascent(records: Records) -> Float[Tensor, ""]:
    """The score of croze, with images that ascend their loss.

    That is what the paper's text says; its released code descends. Of croze's three
    draws it has the first, the network as it is, and so no standard error.

    Source: Ha et al., CRoZe, NeurIPS 2023.
    """
    return records.perturbed.ascent.sum()
