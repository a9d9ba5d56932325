"""Take the logits from whatever a network returns."""

from collections.abc import Mapping

from torch import Tensor, nn


def only_logits(_network: nn.Module, _inputs: object, output: object) -> Tensor:
    """Hand on the logits alone: a forward hook for the outermost module.

    Networks with auxiliary heads return several tensors while they train. Of those the one that is
    called ``logits`` is meant, an attribute or a key; nothing is guessed from positions, for some
    networks return their features first.

    Raises
    ------
    TypeError
        For an output that is no tensor and names no logits.
    """
    if isinstance(output, Tensor):
        return output
    by_key = output.get("logits") if isinstance(output, Mapping) else None
    logits = getattr(output, "logits", by_key)
    if not isinstance(logits, Tensor):
        raise TypeError(
            f"got {type(output).__name__} from the network; expected logits (batch, classes), or "
            "an output that names its logits"
        )
    return logits
