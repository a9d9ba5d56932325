"""Labels of one's own: real networks, small ones, trained on images made here."""

import json
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from torch import nn

from acorn.datasets import get_dataset
from acorn.errors import InputError, InvalidBatchError, MismatchError
from acorn.spaces import get_space
from training.commands.main import run
from training.label_generation.attacks import adversary, read_attack
from training.label_generation.corruptions import CORRUPTIONS, read_corruption
from training.label_generation.images import Images, load_images, normalised
from training.label_generation.label_table import LabelRecipe, generate_labels
from training.label_generation.network_training import Schedule, accuracy, fit
from training.labels.reading import read_labels

DATASET = get_dataset("ImageNet16-120")
SPACE = get_space("graph")
QUICK = Schedule(epochs=15, batch_size=16, lr=0.1, crop=1, flip=False)
CLASSES = 4


def network(width: int) -> str:
    graph = json.loads(SPACE.example)
    graph["nodes"][0] |= {"out_channels": width, "stride": 2}
    return SPACE.parse(graph).canonical


NARROW, WIDE = network(4), network(12)


def arrays(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Noisy images of as many colours as classes."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % CLASSES
    colours = np.array([[150, 120, 120], [120, 150, 120], [120, 120, 150], [135, 135, 120]])
    noise = rng.integers(-60, 60, (n, 16, 16, 3))
    return (colours[labels][:, None, None] + noise).astype(np.uint8), labels


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("images") / "toy.npz"
    (x, y), (x_test, y_test) = arrays(64, 0), arrays(48, 1)
    np.savez(path, x_train=x, y_train=y, x_test=x_test, y_test=y_test)
    return path


@pytest.fixture(scope="module")
def images(source: Path) -> tuple[Images, Images]:
    return load_images(source, DATASET)


def recipe(**changes: object) -> LabelRecipe:
    settings = {"schedule": QUICK, "attacks": ("fgsm_linf_8", "pgd_linf_8")} | changes
    return LabelRecipe(SPACE, DATASET, **settings)  # type: ignore[arg-type]


def test_table_is_resumed_and_the_same_again(tmp_path: Path, images: tuple[Images, Images]) -> None:
    out = tmp_path / "labels.parquet"
    calls: list[tuple[int, int]] = []

    def progress(done: int, total: int) -> None:
        calls.append((done, total))
        if len(calls) == 20:  # in the middle of the second network
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        generate_labels(recipe(), [NARROW, WIDE], *images, out, on_progress=progress)
    assert pl.read_parquet(out)["arch"].to_list() == [NARROW]
    calls.clear()
    table = generate_labels(
        recipe(), [NARROW, WIDE], *images, out, on_progress=lambda *now: calls.append(now)
    )
    assert calls[-1] == (15, 15)
    assert table["arch"].to_list() == [NARROW, WIDE]
    calls.clear()
    generate_labels(
        recipe(), [NARROW, WIDE], *images, out, on_progress=lambda *now: calls.append(now)
    )
    assert not calls

    again = generate_labels(recipe(), [WIDE], *images, tmp_path / "again.parquet")
    labels = [name for name in table.columns if name.startswith("ImageNet16-120.")]
    assert again.select(labels).equals(table[1:].select(labels))
    clean, fgsm, pgd = table.select(labels).row(1)
    assert clean > 60  # of four classes
    assert fgsm < clean
    assert pgd < fgsm + 5  # no weaker, but for a few images
    assert table["reason"].null_count() == 2
    read = read_labels([f"adv={out}"], space="graph", dataset="ImageNet16-120")
    assert read.targets == ["adv.clean", "adv.fgsm_linf_8", "adv.pgd_linf_8"]

    before = out.read_bytes()
    with pytest.raises(MismatchError, match="seed is 0, expected 1"):
        generate_labels(recipe(seed=1), [NARROW], *images, out)
    with pytest.raises(MismatchError, match="attacks"):
        generate_labels(recipe(attacks=()), [NARROW], *images, out)
    assert out.read_bytes() == before


def test_divergence_is_a_null_label_with_a_reason(
    tmp_path: Path, images: tuple[Images, Images]
) -> None:
    wild = recipe(schedule=Schedule(epochs=3, batch_size=16, lr=1e30, momentum=0))
    out = tmp_path / "labels.parquet"
    row = generate_labels(wild, [NARROW], *images, out).row(0, named=True)
    assert row["ImageNet16-120.clean"] is None
    assert row["ImageNet16-120.pgd_linf_8"] is None
    assert row["reason"].startswith("the loss is ")
    calls: list[object] = []
    generate_labels(wild, [NARROW], *images, out, on_progress=lambda *now: calls.append(now))
    assert not calls


def test_adversarial_training_is_another_recipe(
    tmp_path: Path, images: tuple[Images, Images]
) -> None:
    plain = generate_labels(
        recipe(attacks=["fgsm_linf_8"]), [WIDE], *images, tmp_path / "plain.parquet"
    )
    hard = generate_labels(
        recipe(attacks=["fgsm_linf_8"], adversarial=8.0), [WIDE], *images, tmp_path / "adv.parquet"
    )
    attacked = "ImageNet16-120.fgsm_linf_8"
    assert hard[attacked][0] >= plain[attacked][0]
    assert hard["ImageNet16-120.clean"][0] != plain["ImageNet16-120.clean"][0]


def test_attacks_keep_within_their_budget() -> None:
    torch.manual_seed(0)
    linear = nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, 5))
    pixels = torch.randint(0, 256, (6, 3, 16, 16), dtype=torch.uint8)
    pixels[0] = 0
    x, y = normalised(pixels, DATASET), torch.arange(6) % 5
    std, mean = (torch.tensor(each).view(1, 3, 1, 1) for each in (DATASET.std, DATASET.mean))
    losses = {}
    for attack in (read_attack("fgsm_linf_2"), read_attack("pgd_linf_2.0"), adversary(2.0)):
        generator = torch.Generator().manual_seed(1)
        found = attack(linear, x, y, DATASET, generator)
        change = (found - x) * std * 255
        assert change.abs().max() == pytest.approx(2, abs=1e-3)
        unit = found * std + mean
        assert unit.min() > -1e-6
        assert unit.max() < 1 + 1e-6
        losses[attack.steps] = nn.functional.cross_entropy(linear(found), y).item()
    assert linear[1].weight.grad is None
    x.requires_grad_(True)
    loss = nn.functional.cross_entropy(linear(x), y)
    (gradient,) = torch.autograd.grad(loss, x)
    generator = torch.Generator()
    fgsm = read_attack("fgsm_linf_2")(linear, x.detach(), y, DATASET, generator)
    inside = (pixels > 2) & (pixels < 253)
    expected = x + 2 / 255 / std * gradient.sign()
    assert torch.allclose(fgsm[inside], expected[inside])
    assert min(losses.values()) > loss.item()


def test_networks_without_a_gradient_can_be_attacked() -> None:
    class Deaf(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.zeros(len(x), 5, requires_grad=True)

    x = torch.zeros(2, 3, 16, 16)
    generator = torch.Generator()
    found = read_attack("fgsm_linf_1")(Deaf(), x, torch.tensor([0, 1]), DATASET, generator)
    assert torch.equal(found, x)


@pytest.mark.parametrize("name", ["pgd", "pgd_linf_0", "autoattack_linf_8", "pgd_l2_1", "fgsm"])
def test_attacks_that_there_are_not(name: str) -> None:
    with pytest.raises(InputError, match="expected fgsm_linf_EPS or pgd_linf_EPS"):
        read_attack(name)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_corruptions_grow_with_severity(name: str) -> None:
    pixels = torch.from_numpy(arrays(8, 2)[0]).permute(0, 3, 1, 2)
    x, labels = normalised(pixels, DATASET), torch.zeros(8, dtype=torch.int64)
    generator = torch.Generator().manual_seed(0)
    change = [
        float((each(nn.Identity(), x, labels, DATASET, generator) - x).square().mean())
        for each in read_corruption(name)
    ]
    assert change == sorted(change)
    assert 0 < change[0] < change[-1]


def test_fit_augments_and_anneals(images: tuple[Images, Images]) -> None:
    train, test = images
    torch.manual_seed(0)
    net = SPACE.build(NARROW, DATASET)
    epochs: list[int] = []
    fit(net, train, DATASET, QUICK, on_epoch=epochs.append)
    assert epochs == [*range(1, 16)]
    assert accuracy(net, test, DATASET, batch_size=7) == accuracy(net, test, DATASET, batch_size=48)


def test_mixed_precision_is_another_recipe_and_learns_the_same(
    tmp_path: Path, images: tuple[Images, Images]
) -> None:
    precise, mixed = recipe(attacks=[]), recipe(attacks=[], schedule=replace(QUICK, bfloat16=True))
    assert "bfloat16" not in precise.settings(*images)
    assert mixed.settings(*images)["bfloat16"] is True
    clean = [
        generate_labels(each, [WIDE], *images, tmp_path / f"{n}.parquet")["ImageNet16-120.clean"][0]
        for n, each in enumerate((precise, mixed))
    ]
    assert clean[0] > 50
    assert clean[1] == pytest.approx(clean[0], abs=25)
    state = []
    for schedule in (precise.schedule, mixed.schedule):
        torch.manual_seed(0)
        net = SPACE.build(NARROW, DATASET)
        fit(net, images[0], DATASET, replace(schedule, epochs=1))
        state.append(next(net.parameters()).detach())
    assert state[0].dtype == state[1].dtype == torch.float32
    assert not torch.equal(*state)


def test_where_images_come_from(tmp_path: Path, source: Path) -> None:
    train, test = load_images(source, DATASET)
    assert (len(train), len(test)) == (64, 48)
    x, y = arrays(50, 3)
    np.savez(tmp_path / "one.npz", x=x, y=y)
    train, test = load_images(tmp_path / "one.npz", DATASET)
    assert len(train) + len(test) == 50
    assert torch.bincount(test.labels).tolist() == [2] * CLASSES
    assert load_images(tmp_path / "one.npz", DATASET)[1].digest == test.digest
    cifar = tmp_path / "cifar-10-batches-py"
    cifar.mkdir()
    for name in [*(f"data_batch_{k}" for k in range(1, 6)), "test_batch"]:
        value = np.full((4, 3072), 7 if name == "test_batch" else 9, np.uint8)
        (cifar / name).write_bytes(pickle.dumps({"data": value, "labels": [0, 1, 2, 3]}))
    train, test = load_images(tmp_path, get_dataset("cifar10"))
    assert (len(train), int(train.pixels.max())) == (20, 9)
    assert (len(test), int(test.pixels.max())) == (4, 7)
    with pytest.raises(InvalidBatchError, match="no file or folder"):
        load_images(tmp_path / "absent", DATASET)


def test_folders_of_images(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    for part, value in (("train", 10), ("test", 20)):
        for kind in ("cat", "dog"):
            (tmp_path / part / kind).mkdir(parents=True)
            picture = image.fromarray(np.full((16, 16, 3), value, np.uint8))
            picture.save(tmp_path / part / kind / "a.png")
    train, test = load_images(tmp_path, DATASET)
    assert (int(train.pixels.max()), int(test.pixels.max())) == (10, 20)
    assert train.labels.tolist() == test.labels.tolist() == [0, 1]
    (tmp_path / "test" / "emu").mkdir()
    with pytest.raises(InvalidBatchError, match="class 'emu' is in one of train and test"):
        load_images(tmp_path, DATASET)


def test_command(tmp_path: Path, source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nets, out = tmp_path / "nets.txt", tmp_path / "l.parquet"
    nets.write_text(f"{NARROW}\n{WIDE}\n")
    arguments = [
        "label", "--space", "graph", "--archs", str(nets), "--dataset", "ImageNet16-120",
        "--images", str(source), "--out", str(out), "--epochs", "1", "--batch-size", "32",
        "--attacks", "fgsm_linf_1.0", "--corruptions", "contrast", "--no-flip", "--json",
    ]  # fmt: skip
    assert run([*arguments, "--shard", "1/2"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == 1
    assert run([*arguments, "--shard", "2/2"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["rows"] == 2
    assert printed["diverged"] == 0
    assert printed["columns"][1:4] == [
        f"ImageNet16-120.{each}" for each in ("clean", "fgsm_linf_1.0", "corruption_contrast")
    ]
    for bad, message in (
        (["--epochs", "0"], "expected at least 1 epoch"),
        (["--attacks", "square_linf_1"], "got attack 'square_linf_1'"),
        (["--corruptions", "snow"], "got corruption 'snow'"),
        (["--images", "absent"], "no file or folder"),
        (["--device", "tpu!"], "expected auto or a torch device"),
    ):
        assert run([*arguments, *bad]) == 2
        assert message in capsys.readouterr().err
