"""Reads the pickles of CIFAR-10 and CIFAR-100, in torchvision's folders, without running code."""

import io
import pickle
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from acorn.batches.image_reading import UNREADABLE, Indices, Pixels, Source, pixel_reader
from acorn.datasets import Dataset
from acorn.errors import InvalidBatchError, one_line

_SPLITS = (
    # folder, files of the training and the test split, key of the labels, classes
    (
        "cifar-10-batches-py",
        (tuple(f"data_batch_{k}" for k in range(1, 6)), ("test_batch",)),
        "labels",
        10,
    ),
    ("cifar-100-python", (("train",), ("test",)), "fine_labels", 100),
)


@dataclass(slots=True)
class _PickledArray:
    """State of an array in a pickle; NumPy's ``__setstate__`` does not check its argument."""

    state: object = None

    def __setstate__(self, state: object) -> None:
        self.state = state

    def bytes_of_uint8(self) -> NDArray[np.uint8] | None:
        """Return the array if it has type uint8 and C order, otherwise None."""
        match self.state:
            case (int(), (int() as n, int() as m), _PickledType(code="u1"), False, bytes() as data):
                if n >= 0 and m >= 0 and len(data) == n * m:
                    return np.frombuffer(data, dtype=np.uint8).reshape(n, m)
        return None


@dataclass(slots=True)
class _PickledType:
    """Type of an array in a pickle."""

    code: object

    def __setstate__(self, state: object) -> None:
        """Ignore the byte order and other details, which do not matter for bytes."""


class _Unpickler(pickle.Unpickler):
    """Reads builtin containers, numbers, strings, and arrays as :class:`_PickledArray`.

    A pickle runs code by naming importable functions. This class imports nothing: the names in the
    files of CIFAR map to stand-ins, and all others are refused. Each use gets new stand-ins, so
    that a file that sets attributes on them has no lasting effect.
    """

    def find_class(self, module: str, name: str) -> object:
        """Return the stand-in of a name; raises :class:`pickle.UnpicklingError` if it has none."""

        def reconstruct(*_: object) -> _PickledArray:
            return _PickledArray()

        def dtype(code: object, *_: object) -> _PickledType:
            return _PickledType(code.decode("latin-1") if isinstance(code, bytes) else code)

        def encode(text: str, *_: object) -> bytes:
            # Form of bytes in protocol 2 as Python 3 writes it.
            return text.encode("latin-1")

        stand_ins: dict[tuple[str, str], object] = {
            ("numpy.core.multiarray", "_reconstruct"): reconstruct,
            ("numpy._core.multiarray", "_reconstruct"): reconstruct,
            ("numpy", "ndarray"): "ndarray",
            ("numpy", "dtype"): dtype,
            ("_codecs", "encode"): encode,
        }
        try:
            return stand_ins[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"it names {module}.{name}") from None


def find_cifar(path: Path, dataset: Dataset, *, test: bool = False) -> Source | None:
    """Read a split of CIFAR-10 or CIFAR-100, if the folder has one of them.

    Parameters
    ----------
    path : pathlib.Path
        The root that torchvision is given, or the folder of pickles in it. If a root has both, the
        one with the dataset's number of classes is read.
    dataset : Dataset
        Gives the number of classes.
    test : bool, default=False
        Read the test split instead of the training split.

    Returns
    -------
    Source or None
        The images of the split.

    Raises
    ------
    InvalidBatchError
        If a file is missing, malformed, or of another number of classes.
    """
    for name, splits, key, classes in sorted(_SPLITS, key=lambda s: s[3] != dataset.num_classes):
        files = splits[test]
        for folder in (path, path / name):
            if not (folder / files[0]).is_file():
                continue
            if classes != dataset.num_classes:
                raise InvalidBatchError(
                    f"{folder.name!r} holds CIFAR-{classes}; "
                    f"expected {dataset.num_classes} classes for {dataset.name}"
                )
            parts = [_cifar_part(folder / file, key) for file in files]
            images = np.concatenate([pixels for pixels, _ in parts])
            labels = np.concatenate([labels for _, labels in parts])
            return Source(labels, pixel_reader(images, dataset))
    return None


def _cifar_part(path: Path, key: str) -> tuple[Pixels, Indices]:
    """Read one file: pixels (n, 3, 32, 32) and labels (n,)."""
    try:
        content = _Unpickler(io.BytesIO(path.read_bytes()), encoding="bytes").load()
    except (*UNREADABLE, pickle.UnpicklingError, AttributeError) as error:
        raise InvalidBatchError(
            f"cannot read {path.name!r} ({one_line(error)[:100]}); expected a batch of CIFAR"
        ) from error
    if not isinstance(content, dict):
        raise InvalidBatchError(f"{path.name!r} has no dictionary; expected a batch of CIFAR")
    named = {k.decode("latin-1") if isinstance(k, bytes) else k: v for k, v in content.items()}
    data, labels = named.get("data"), named.get(key)
    pixels = data.bytes_of_uint8() if isinstance(data, _PickledArray) else None
    if pixels is None or pixels.shape[1] != 3 * 32 * 32:
        raise InvalidBatchError(
            f"{path.name!r} has no pixels under 'data'; expected uint8 of shape (n, 3072)"
        )
    if (
        not isinstance(labels, list)
        or len(labels) != len(pixels)
        or not all(type(label) is int and 0 <= label < 2**31 for label in labels)
    ):
        raise InvalidBatchError(
            f"{path.name!r} has no labels under {key!r}; expected a list of {len(pixels)} integers"
        )
    return pixels.reshape(-1, 3, 32, 32), np.array(labels, dtype=np.int64)
