"""The public call."""

from typing import Any

import pytest
import torch
from torch import nn

import acorn
from acorn.batches import embedded_batch
from acorn.batches.any_size import sized_images
from acorn.datasets import get_dataset
from acorn.errors import InputError, InvalidBatchError, UnknownProxyError
from acorn.proxies import compute_proxies, list_proxies, run
from tests.proxies.small import batch, cell_network
from tests.proxies.test_state import assert_unchanged, fingerprint


def test_is_exported() -> None:
    assert acorn.compute_proxies is compute_proxies
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = acorn.nothing


def test_equals_the_engine() -> None:
    images, labels = batch()
    network = cell_network()
    before = fingerprint(network)
    got = compute_proxies(network, (3, 8, 8), 4, images=images, labels=labels, seed=3)
    assert_unchanged(network, before)
    assert got.values == run(cell_network(), images, labels, num_classes=4, seed=3).values
    assert set(got.values) == set(list_proxies())


def test_images_are_generated_and_labels_counted() -> None:
    got = compute_proxies(cell_network(), (3, 16, 16), 4, proxies=["snip", "zico"])
    assert got.reasons == {}
    images, labels = sized_images((3, 16, 16), 4)
    assert labels[:6].tolist() == [0, 1, 2, 3, 0, 1]
    same = compute_proxies(cell_network(), (3, 16, 16), 4, images=images, proxies=["snip", "zico"])
    assert got.values == same.values


def test_generated_images() -> None:
    dataset = get_dataset("cifar10")
    images, _ = sized_images((3, 32, 32), 10, size=4)
    assert torch.equal(images, embedded_batch(dataset, size=4).images)
    assert images.shape == (4, 3, 32, 32)
    assert sized_images((1, 9, 12), 3, size=2)[0].shape == (2, 1, 9, 12)
    large, classes = sized_images((3, 100, 80), 5, size=2)
    assert large.shape == (2, 3, 100, 80)
    assert len(classes) == 2
    assert large.std() > 0.5
    with pytest.raises(InvalidBatchError, match="cannot generate images of 4 channels"):
        sized_images((4, 8, 8), 2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"images": torch.zeros(2, 3, 9, 8)}, r"got images of shape \(2, 3, 9, 8\); expected"),
        ({"images": torch.zeros(0, 3, 8, 8)}, "at least one image"),
        ({"images": torch.zeros(2, 3, 8, 8, dtype=torch.uint8)}, "got torch.uint8 images"),
        ({"labels": torch.zeros(2, dtype=torch.int64)}, "got labels without images"),
        (
            {"images": torch.zeros(2, 3, 8, 8), "labels": torch.zeros(3, dtype=torch.int64)},
            r"labels of shape \(3,\); expected torch.int64 of shape \(2,\)",
        ),
        (
            {"images": torch.zeros(2, 3, 8, 8), "labels": torch.tensor([0, 4])},
            r"got labels in 0..4; expected 0..3",
        ),
        ({"device": "abacus"}, "got device 'abacus'"),
    ],
)
def test_wrong_arguments(arguments: dict[str, Any], message: str) -> None:
    network = cell_network()
    before = fingerprint(network)
    with pytest.raises(InputError, match=message):
        compute_proxies(network, (3, 8, 8), 4, proxies="params", **arguments)
    assert_unchanged(network, before)


def test_wrong_shapes_and_names() -> None:
    with pytest.raises(InputError, match="three positive sizes"):
        compute_proxies(nn.Identity(), (3, 8), 4)
    with pytest.raises(InputError, match="at least one class"):
        compute_proxies(nn.Identity(), (3, 8, 8), 0)
    with pytest.raises(UnknownProxyError, match="unknown proxy 'snop'"):
        compute_proxies(nn.Identity(), (3, 8, 8), 4, proxies="snop")


def test_a_module_without_parameters() -> None:
    network = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    result = compute_proxies(network, (3, 8, 8), 3, images=batch()[0])
    assert result.values["params"] == 0
    assert result.values["trainable_layers"] == 0
    missing = {name for name, value in result.values.items() if value is None}
    assert missing == set(result.reasons)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_goes_to_the_device_and_back() -> None:
    network = cell_network()
    result = compute_proxies(network, (3, 8, 8), 4, device="cuda")
    assert result.reasons == {}
    assert {p.device.type for p in network.parameters()} == {"cpu"}
