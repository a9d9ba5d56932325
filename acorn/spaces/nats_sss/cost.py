"""Parameters and operations of the size space's networks, in closed form."""

from acorn.spaces.nats_sss.channels import Channels


def size_params(channels: Channels, num_classes: int = 10) -> int:
    """Count the parameters exactly, without building the network.

    Parameters
    ----------
    channels : tuple of int, length 5
        The widths.
    num_classes : int, default=10
        Width of the logits.

    Returns
    -------
    int
        The published count of every architecture of the benchmark.
    """
    a, b, c, d, e = channels
    stem, head = 27 * a + 2 * a, 2 * e + (e + 1) * num_classes
    return (
        stem
        + _cell_params(a, a)
        + _reduction_params(a, b)
        + _cell_params(b, c)
        + _reduction_params(c, d)
        + _cell_params(d, e)
        + head
    )


def size_flops(channels: Channels, num_classes: int = 10, side: int = 32) -> int:
    """Count the operations for one image exactly, in the convention of :mod:`acorn.graph`.

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
    int
        Number of operations.
    """
    a, b, c, d, e = channels
    full, half, quarter = side**2, (side // 2) ** 2, (side // 4) ** 2
    stem, head = (27 + 2) * a * full, 3 * e * quarter + e * (side // 4 + 1) ** 2 + e * num_classes
    return (
        stem
        + full * _cell_flops(a, a)
        + half * _reduction_flops(a, b)
        + half * _cell_flops(b, c)
        + quarter * _reduction_flops(c, d)
        + quarter * _cell_flops(d, e)
        + head
    )


def _cell_params(c_in: int, c_out: int) -> int:
    skip = (c_in + 2) * c_out if c_in != c_out else 0
    return 2 * (9 * c_in + 2) * c_out + 3 * (9 * c_out + 2) * c_out + skip


def _reduction_params(c_in: int, c_out: int) -> int:
    return (9 * c_in + 2) * c_out + (9 * c_out + 2) * c_out + c_in * c_out


def _cell_flops(c_in: int, c_out: int) -> int:
    """Count operations per position: each parameter once, and each ReLU's input once."""
    return _cell_params(c_in, c_out) + 2 * c_in + 3 * c_out


def _reduction_flops(c_in: int, c_out: int) -> int:
    """Count operations per output position; the first ReLU and the pooling see four positions."""
    return _reduction_params(c_in, c_out) + 4 * c_in + c_out + 4 * c_in
