"""Names of datasets: usual spellings, and what is none."""

import pytest

from acorn.datasets import DATASETS, Dataset, canonical_name, get_dataset
from acorn.errors import UnknownDatasetError

SPELLINGS = {
    "cifar10": ["cifar10", "CIFAR10", "CIFAR-10", "cifar-10", "cifar_10", "Cifar 10", " cifar10\n"],
    "cifar100": ["cifar100", "CIFAR100", "Cifar-100", "cifar_100"],
    "ImageNet16-120": [
        "ImageNet16-120",
        "imagenet16-120",
        "ImageNet16_120",
        "IMAGENET16 120",
        "imagenet-16-120",
    ],
    "imagenet1k": ["imagenet1k", "ImageNet-1k", "ImageNet 1K", "imagenet_1k"],
}


@pytest.mark.parametrize(
    ("name", "spelling"), [(name, each) for name, some in SPELLINGS.items() for each in some]
)
def test_spellings(name: str, spelling: str) -> None:
    assert get_dataset(spelling) is DATASETS[name]
    assert canonical_name(spelling) == name


@pytest.mark.parametrize(
    "name",
    ["", "cifar", "cifar1-00", "cifar10-0", "cifar--10", "cifar1000", "imagenet16", "-cifar10",
     "cifar10\x00", "\uff43ifar10", "cifar" * 100_000, None, 10, [], {}],
)  # fmt: skip
def test_other_names_are_unknown(name: object) -> None:
    with pytest.raises(UnknownDatasetError, match="expected one of ImageNet16-120, cifar10") as got:
        get_dataset(name)  # type: ignore[arg-type]
    assert len(str(got.value)) < 200
    if isinstance(name, str):
        assert canonical_name(name) == name


def test_a_dataset_at_another_image_size() -> None:
    dataset = get_dataset("imagenet1k")
    assert dataset.input_shape == (3, 224, 224)
    larger = dataset.at(288)
    assert (larger.input_shape, larger.num_classes) == ((3, 288, 288), 1000)
    assert dataset.at(None) is dataset


def test_no_two_datasets_share_a_spelling() -> None:
    assert all(get_dataset(name.upper()).name == name for name in DATASETS)


def test_a_dataset_that_is_not_registered_is_named_after_its_images() -> None:
    dataset = Dataset.of_shape((1, 16, 24), 7)
    assert dataset.name == "1x16x24-7"
    assert not dataset.is_registered
    assert (dataset.input_shape, dataset.num_classes) == ((1, 16, 24), 7)
    assert get_dataset(" 1X16x24-7\n") == dataset
    assert canonical_name("1X16X24-7") == "1x16x24-7"
    assert Dataset.of_shape((3, 32, 32), 10) is get_dataset("3x32x32-10") is DATASETS["cifar10"]
    assert dataset.at(48).input_shape == (1, 48, 48)


@pytest.mark.parametrize("name", ["0x16x16-10", "1x16x16", "1x16-10", "1x16x16-0", "1x16x1e9-10"])
def test_what_is_no_shape(name: str) -> None:
    with pytest.raises(UnknownDatasetError):
        get_dataset(name)
