"""Arrays in a file: compressed without loss, and never larger than they said."""

import json
from typing import Any

import numpy as np
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray
from safetensors.numpy import save

from acorn.errors import BundleError
from acorn.forests import _tensors
from acorn.forests._tensors import read_tensors, write_tensors

DTYPES = ["uint8", "uint16", "uint64", "int16", "int32", "float16", "float32"]


@given(
    st.sampled_from(DTYPES).flatmap(
        lambda dtype: arrays(dtype, array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=40))
    )
)
def test_arrays_come_back_bit_for_bit(array: NDArray[Any]) -> None:
    content = write_tensors({"a": array, "few": np.zeros(300, np.float32)})
    found = read_tensors(content)
    assert found["a"].dtype == array.dtype
    assert found["a"].shape == array.shape
    assert found["a"].tobytes() == array.tobytes()
    assert found["few"].tolist() == [0.0] * 300
    assert len(content) < array.nbytes + 600


def test_plain_safetensors_are_read_too() -> None:
    assert read_tensors(save({"a": np.arange(3)}))["a"].tolist() == [0, 1, 2]


def file(
    stream: bytes, *, dtype: str = "float32", shape: tuple[int, ...] = (100,), **more: object
) -> bytes:
    layout = {"dtype": dtype, "shape": list(shape), "shuffled": False} | more
    tensors = {"a": np.frombuffer(stream, np.uint8)}
    return save(tensors, {"compressed": json.dumps({"a": layout})})


ZEROS = zstandard.compress(bytes(400))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (file(ZEROS, shape=(1000,)), "a declares 400 bytes; expected 4000"),
        (file(ZEROS, shape=(10,)), "a declares 400 bytes; expected 40"),
        (file(ZEROS, shape=(1 << 28, 1 << 28)), "expected at most"),
        (file(ZEROS, shape=(-100,)), "malformed"),
        (file(ZEROS, dtype="object"), "malformed"),
        (file(ZEROS, more=1), "malformed"),
        (file(ZEROS[:-3]), "cannot be decompressed"),
        (file(ZEROS + b"more"), "cannot be decompressed"),
        (file(b"no stream"), "cannot be decompressed"),
        (save({"b": np.zeros(1)}, {"compressed": '{"a": 1}'}), "malformed"),
        (save({"b": np.zeros(1)}, {"compressed": "["}), "malformed"),
    ],
)
def test_what_is_not_as_declared_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(BundleError, match=message):
        read_tensors(content)


def test_a_file_that_would_fill_the_memory_is_refused_before_it_is_decompressed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_tensors, "MOST_BYTES", 1 << 16)
    bomb = zstandard.compress(bytes(1 << 20))
    monkeypatch.setattr(zstandard, "ZstdDecompressor", None)
    with pytest.raises(BundleError, match="got arrays of 1048576 bytes; expected at most 65536"):
        read_tensors(file(bomb, dtype="uint8", shape=(1 << 20,)))
