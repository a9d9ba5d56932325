"""Names of datasets: usual spellings, and what is none."""

import pytest

from acorn.datasets import DATASETS, canonical_name, get_dataset
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
        get_dataset(name)
    assert len(str(got.value)) < 200
    if isinstance(name, str):
        assert canonical_name(name) == name


def test_no_two_datasets_share_a_spelling() -> None:
    assert all(get_dataset(name.upper()).name == name for name in DATASETS)
