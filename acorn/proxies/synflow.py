"""synflow: synaptic flow."""

from jaxtyping import Float
from torch import Tensor

from acorn.proxies._engine import SYNFLOW, Records, proxy

EXCEEDS = "the flow exceeds double precision: the network multiplies activations with each other"


@proxy(
    "synflow",
    reads=SYNFLOW,
    nulls={
        "-inf": "nothing flows to the logits: a layer on the way has weights of zero",
        "inf": EXCEEDS,
        "nan": f"{EXCEEDS}, or subtracts them",
    },
)
def synflow(records: Records) -> Float[Tensor, ""]:
    """Natural log of the sum of |weight| * dR/d|weight|, R the summed logits on an input of ones.

    All parameters are made positive and normalisation is the identity, so that no term cancels.
    The sum grows with the product of all widths: hence the log, which is also the form of the
    published values. Layers are scaled, and the scale is put back in the log, so that single
    precision does.

    What the source leaves open: everything but convolutions, rectifiers and batch normalisation.
    Here every normalisation is the identity (batch, layer, group, instance, root mean square, the
    division by a norm), for its purpose is to undo the sizes that are counted; a softmax, in
    attention or not, gives all places equal shares. A network that multiplies activations with
    each other (linear attention) may exceed double precision, and has no score then.

    Source: Tanaka et al., Pruning Neural Networks without any Data by Iteratively Conserving
    Synaptic Flow, NeurIPS 2020, equation 2.
    """
    return records.synflow
