"""Parameters and operations of the size space's networks, in closed form."""

from acorn.spaces.nats_sss.channels import Channels


def size_cost(channels: Channels, num_classes: int = 10, side: int = 32) -> tuple[int, int]:
    """Count parameters and operations exactly, without building the network.

    Parameters
    ----------
    channels : tuple of int, length 5
        The widths.
    num_classes : int, default=10
        Width of the logits.
    side : int, default=32
        Height and width of the image, pixels.

    Returns
    -------
    params : int
        The published count of every architecture of the benchmark.
    flops : int
        Operations for one image, in the convention of :mod:`acorn.graph`.
    """
    a, b, c, d, e = channels
    full, half, quarter = side**2, (side // 2) ** 2, (side // 4) ** 2
    parts = (  # parameters, further operations per output position, output positions
        (29 * a, 0, full),
        (*_cell(a, a), full),
        (*_reduction(a, b), half),
        (*_cell(b, c), half),
        (*_reduction(c, d), quarter),
        (*_cell(d, e), quarter),
    )
    head = 3 * e * quarter + e * (side // 4 + 1) ** 2 + e * num_classes
    return (
        sum(params for params, _, _ in parts) + 2 * e + (e + 1) * num_classes,
        sum((params + others) * positions for params, others, positions in parts) + head,
    )


def _cell(c_in: int, c_out: int) -> tuple[int, int]:
    """Count a cell's parameters, and the inputs of its ReLUs per position."""
    skip = (c_in + 2) * c_out if c_in != c_out else 0
    params = 2 * (9 * c_in + 2) * c_out + 3 * (9 * c_out + 2) * c_out + skip
    return params, 2 * c_in + 3 * c_out


def _reduction(c_in: int, c_out: int) -> tuple[int, int]:
    """Count the same of a reduction; its first ReLU and its pooling see four positions each."""
    params = (9 * c_in + 2) * c_out + (9 * c_out + 2) * c_out + c_in * c_out
    return params, 4 * c_in + c_out + 4 * c_in
