"""Random numbers that are the same on every platform and with every version of NumPy."""

import hashlib

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Stream:
    """Random numbers that depend only on a name.

    Parameters
    ----------
    *name : object
        Parts of the name, each of which is converted to a string.
    """

    def __init__(self, *name: object) -> None:
        digest = hashlib.sha256("/".join(map(str, name)).encode()).digest()
        self._bits = np.random.Philox(key=np.frombuffer(digest[:16], dtype="<u8").astype(np.uint64))

    def uniform(self, *shape: int) -> Floats:
        """Draw independent numbers, uniformly distributed in [0, 1).

        Parameters
        ----------
        *shape : int
            Shape of the result.

        Returns
        -------
        ndarray of the given shape
            The numbers.
        """
        count = int(np.prod(shape, dtype=np.int64))
        raw = np.asarray(self._bits.random_raw(count), dtype=np.uint64)
        return ((raw >> np.uint64(11)).astype(np.float64) * 2.0**-53).reshape(shape)

    def bell(self, *shape: int) -> Floats:
        """Draw independent numbers of mean 0 and variance 1: scaled sums of three uniform ones.

        Parameters
        ----------
        *shape : int
            Shape of the result.

        Returns
        -------
        ndarray of the given shape
            The numbers.
        """
        u = self.uniform(3, *shape)
        numbers: Floats = (u[0] + u[1] + u[2] - 1.5) * 2.0
        return numbers

    def direction(self, *shape: int) -> Floats:
        """Draw independent unit vectors in the plane.

        Parameters
        ----------
        *shape : int
            Shape of the result without its first axis.

        Returns
        -------
        ndarray of shape (2, *shape)
            Coordinates x and y.
        """
        # Platforms round the cosine differently, so use a rational parametrisation of the quarter
        # circle (a little denser at one end), then a random number of quarter turns.
        t = self.uniform(*shape)
        x, y = (1.0 - t * t) / (1.0 + t * t), 2.0 * t / (1.0 + t * t)
        turn = np.floor(self.uniform(*shape) * 4.0)
        sign = np.where(turn < 2.0, 1.0, -1.0)
        odd = turn % 2.0 == 1.0
        return np.stack([sign * np.where(odd, -y, x), sign * np.where(odd, x, y)])
