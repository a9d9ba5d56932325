import os
import subprocess
import sys
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
import torch

from acorn.batches import embedded_batch
from acorn.batches.batch import make_batch
from acorn.datasets import DATASETS, Dataset, get_dataset
from acorn.errors import InvalidBatchError

CIFAR10 = get_dataset("cifar10")

# Released forests name their batch by these: another value makes every one of them useless.
DIGESTS = {
    "cifar10": "d2be77dd795e46c8d6c84e5289a235111d77bf80144fce1305fd907ff08d57c5",
    "cifar100": "e05965582ba7842cff709c4f1e6564f841fe1854358540d85ddf2ad5dfebb936",
    "ImageNet16-120": "036801b55c200b804b752ff57a06fbed2da32dbbb83fd0029a28f1e33c044311",
}


@pytest.mark.parametrize("name", DIGESTS)
def test_the_embedded_batches_never_change(name: str) -> None:
    assert embedded_batch(get_dataset(name)).digest == DIGESTS[name]


@pytest.mark.parametrize("dataset", DATASETS.values(), ids=DATASETS)
def test_shapes_types_and_labels(dataset: Dataset) -> None:
    batch = embedded_batch(dataset, size=12)
    assert batch.images.shape == (12, *dataset.input_shape)
    assert batch.images.dtype == torch.float32
    assert batch.images.is_contiguous()
    assert batch.labels.dtype == torch.int64
    assert batch.labels.tolist() == [k % dataset.num_classes for k in range(12)]


@pytest.mark.slow
def test_a_fresh_process_makes_the_same_batch() -> None:
    program = (
        "from acorn.batches import embedded_batch\n"
        "from acorn.datasets import get_dataset\n"
        "print(embedded_batch(get_dataset('cifar10'), size=8, seed=5).digest)"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": hash_seed, "OMP_NUM_THREADS": threads},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for hash_seed, threads in (("1", "1"), ("2", "2"))
    }
    assert digests == {embedded_batch(CIFAR10, size=8, seed=5).digest}


def test_a_smaller_batch_is_the_beginning_of_a_larger_one() -> None:
    small, large = embedded_batch(CIFAR10, size=5), embedded_batch(CIFAR10, size=13)
    assert torch.equal(small.images, large.images[:5])
    assert torch.equal(small.labels, large.labels[:5])
    assert small.digest != large.digest


def test_another_seed_makes_other_images() -> None:
    one, other = embedded_batch(CIFAR10, size=3), embedded_batch(CIFAR10, size=3, seed=1)
    assert all(not torch.equal(a, b) for a, b in zip(one.images, other.images, strict=True))


def test_images_are_not_square_when_the_dataset_is_not() -> None:
    wide = Dataset("wide", 8, 12, 2, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
    assert embedded_batch(wide, size=3).images.shape == (3, 3, 8, 12)


@pytest.mark.parametrize("size", [0, -1])
def test_a_batch_has_at_least_one_image(size: int) -> None:
    with pytest.raises(InvalidBatchError, match=f"batch size {size}; expected at least 1"):
        embedded_batch(CIFAR10, size=size)


def test_normalisation() -> None:
    pixels = np.zeros((2, 32, 32, 3), dtype=np.uint8)
    pixels[1] = 255
    batch = make_batch(pixels, np.array([0, 1]), CIFAR10, name="black and white")
    expected = [[-m / s for m, s in zip(CIFAR10.mean, CIFAR10.std, strict=True)]]
    expected += [[(1 - m) / s for m, s in zip(CIFAR10.mean, CIFAR10.std, strict=True)]]
    torch.testing.assert_close(batch.images[:, :, 3, 7], torch.tensor(expected))


def test_the_digest_tells_images_labels_and_shapes_apart() -> None:
    pixels = np.arange(2 * 4 * 6 * 3, dtype=np.uint8).reshape(2, 4, 6, 3)
    changed = pixels.copy()
    changed[1, 3, 5, 2] ^= 1
    labels = np.array([0, 1])
    batches = [
        make_batch(pixels, labels, CIFAR10, name="one"),
        make_batch(changed, labels, CIFAR10, name="one"),
        make_batch(pixels, labels[::-1], CIFAR10, name="one"),
        make_batch(pixels.reshape(2, 6, 4, 3), labels, CIFAR10, name="one"),
    ]
    assert len({batch.digest for batch in batches}) == len(batches)
    assert make_batch(pixels, labels, CIFAR10, name="two").digest == batches[0].digest


def test_a_batch_is_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        embedded_batch(CIFAR10, size=1).name = "other"  # type: ignore[misc]
