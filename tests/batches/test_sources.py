"""Files that the tests write, and the real samples where they are at hand."""

import codecs
import io
import pickle
import sys
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from acorn.batches import load_batch
from acorn.batches.batch import make_batch
from acorn.batches.sources import _choose
from acorn.datasets import get_dataset
from acorn.errors import InputError, InvalidBatchError

CIFAR10, CIFAR100 = get_dataset("cifar10"), get_dataset("cifar100")
IMAGENET16 = get_dataset("ImageNet16-120")


def some_pixels(count: int, side: int = 32) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.random.default_rng(0).integers(0, 256, (count, side, side, 3), dtype=np.uint8)


def some_labels(count: int, classes: int = 10) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.random.default_rng(1).permutation(np.arange(count) % classes)


def write_npz(path: Path, **arrays: Any) -> Path:
    np.savez(path / "mine.npz", **arrays)
    return path / "mine.npz"


def assert_refused_or_read(path: Path, *, size: int) -> None:
    """Nothing but an error of one line, or a whole batch."""
    try:
        outcome = str(tuple(load_batch(path, CIFAR10, size=size).images.shape))
    except InvalidBatchError as error:
        outcome = str(error)
    assert "expected" in outcome or outcome == str((size, 3, 32, 32))
    assert "\n" not in outcome


# -- choosing -------------------------------------------------------------------------------------


@given(
    labels=st.lists(st.integers(0, 5), min_size=1, max_size=60),
    seed=st.integers(0, 3),
    data=st.data(),
)
def test_choice_is_balanced_and_nested(labels: list[int], seed: int, data: st.DataObject) -> None:
    size = data.draw(st.integers(1, len(labels)))
    array = np.array(labels)
    chosen = _choose(array, size, seed)
    assert len(set(chosen.tolist())) == size
    assert chosen.tolist() == _choose(array, len(labels), seed)[:size].tolist()
    available, taken = Counter(labels), Counter(array[chosen].tolist())
    most = max(taken.values())
    # A class with fewer than the most frequent one's share, less one, has no more to give.
    assert all(taken[k] >= min(available[k], most - 1) for k in available)


def test_the_choice_depends_on_the_seed_alone(tmp_path: Path) -> None:
    path = write_npz(tmp_path, x=some_pixels(60), y=some_labels(60))
    one, again, other = (load_batch(path, CIFAR10, size=20, seed=s) for s in (0, 0, 1))
    assert one.digest == again.digest != other.digest
    assert Counter(one.labels.tolist()) == dict.fromkeys(range(10), 2)
    assert one.name == "mine.npz, seed 0"


# -- npz ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("keys", [("x", "y"), ("x_train", "y_train"), ("images", "labels")])
def test_npz_images_keep_their_labels(tmp_path: Path, keys: tuple[str, str]) -> None:
    pixels, labels = some_pixels(20), some_labels(20)
    pixels[:, 0, 0, 0] = labels
    path = write_npz(tmp_path, **dict(zip(keys, (pixels, labels), strict=True)))
    batch = load_batch(path, CIFAR10, size=20)
    back = (batch.images[:, 0, 0, 0] * CIFAR10.std[0] + CIFAR10.mean[0]) * 255
    assert back.round().long().tolist() == batch.labels.tolist()


def test_every_layout_gives_the_same_batch(tmp_path: Path) -> None:
    pixels, labels = some_pixels(12), some_labels(12)
    layouts = [
        {"x": pixels, "y": labels},
        {"x": pixels.transpose(0, 3, 1, 2), "y": labels},
        {"x": pixels.astype(np.float32) / 255, "y": labels.astype(np.uint8)},
        {"x": pixels.astype(np.float64) / 255, "y": labels[:, None].astype(np.int32)},
        {"x": pixels, "y": labels, "classes": np.array(["a", "b"])},
    ]
    digests = {load_batch(write_npz(tmp_path, **a), CIFAR10, size=8).digest for a in layouts}
    assert len(digests) == 1


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": some_pixels(8, 16), "y": some_labels(8)}, r"\(8, 16, 16, 3\); expected \(n, 32, 32"),
        ({"x": some_pixels(8)[..., :1], "y": some_labels(8)}, r"\(8, 32, 32, 1\); expected"),
        ({"x": some_pixels(8)[0], "y": some_labels(8)}, r"\(32, 32, 3\); expected"),
        ({"x": np.uint8(3), "y": np.int64(3)}, r"shape \(\); expected"),
        ({"x": some_pixels(8).astype(int), "y": some_labels(8)}, "type int64; expected uint8"),
        ({"x": some_pixels(8) / 1.0, "y": some_labels(8)}, r"to 255.0; expected 0\.\.1"),
        ({"x": some_pixels(8) * np.nan, "y": some_labels(8)}, r"nan; expected 0\.\.1"),
        ({"x": some_pixels(8), "y": some_labels(7)}, r"shape \(7,\).*expected integers.*\(8,\)"),
        ({"x": some_pixels(8), "y": np.eye(8)}, r"shape \(8, 8\)"),
        ({"x": some_pixels(8), "y": some_labels(8) / 1.0}, "type float64; expected integers"),
        ({"x": some_pixels(8), "y": some_labels(8) + 5}, r"label 1\d; expected 0\.\.9"),
        ({"x": some_pixels(8), "y": some_labels(8) - 1}, r"label -1; expected 0\.\.9"),
        ({"x": some_pixels(8), "y": some_labels(8)}, "8 images; expected at least 9"),
        ({"x": some_pixels(0), "y": some_labels(0)}, "0 images; expected at least 9"),
        ({"x": some_pixels(8), "z": some_labels(8)}, "has arrays .*; expected x_train and y_train"),
        ({"x": np.array([{}]), "y": some_labels(1)}, "cannot read"),
    ],
)
def test_bad_npz(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidBatchError, match=message) as caught:
        load_batch(write_npz(tmp_path, **arrays), CIFAR10, size=9 if "9" in message else 8)
    assert "\n" not in str(caught.value)


def test_a_member_that_is_no_array(tmp_path: Path) -> None:
    path = tmp_path / "odd.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x", b"words")
        archive.writestr("y", b"words")
    with pytest.raises(InvalidBatchError, match="x is bytes; expected an array"):
        load_batch(path, CIFAR10)


# NumPy's advice on a header that looks like one of Python 2.
@pytest.mark.filterwarnings("ignore:Reading `.npy`")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(position=st.integers(0, 2000), byte=st.integers(0, 255), cut=st.booleans())
def test_a_damaged_npz_is_refused_or_read(
    tmp_path: Path, position: int, byte: int, cut: bool
) -> None:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, x=np.zeros((8, 32, 32, 3), np.uint8), y=np.arange(8))
    content = bytearray(buffer.getvalue())
    position %= len(content)
    content[position] = byte
    path = tmp_path / "damaged.npz"
    path.write_bytes(content[:position] if cut else content)
    assert_refused_or_read(path, size=8)


def test_no_such_source(tmp_path: Path) -> None:
    with pytest.raises(InvalidBatchError, match="no file or folder"):
        load_batch(tmp_path / "nothing", CIFAR10)
    (tmp_path / "text").write_text("hello")
    with pytest.raises(InvalidBatchError, match="'text' is no npz file"):
        load_batch(tmp_path / "text", CIFAR10)


def test_size_must_be_positive(tmp_path: Path) -> None:
    with pytest.raises(InvalidBatchError, match="batch size 0"):
        load_batch(tmp_path, CIFAR10, size=0)


# -- ImageNet16-120 -------------------------------------------------------------------------------


def test_imagenet_labels_count_from_one(tmp_path: Path) -> None:
    pixels = some_pixels(200, 16)
    labels = np.arange(1, 201)
    pixels[:, 0, 0, 0] = labels
    batch = load_batch(write_npz(tmp_path, x=pixels, y=labels), IMAGENET16, size=120)
    assert sorted(batch.labels.tolist()) == list(range(120))
    back = (batch.images[:, 0, 0, 0] * IMAGENET16.std[0] + IMAGENET16.mean[0]) * 255
    assert (back.round().long() - 1).tolist() == batch.labels.tolist()


def test_imagenet_labels_that_count_from_zero_stay(tmp_path: Path) -> None:
    path = write_npz(tmp_path, x=some_pixels(120, 16), y=np.arange(120))
    assert sorted(load_batch(path, IMAGENET16, size=120).labels.tolist()) == list(range(120))
    path = write_npz(tmp_path, x=some_pixels(121, 16), y=np.arange(121))
    with pytest.raises(InvalidBatchError, match=r"label 120; expected 0\.\.119"):
        load_batch(path, IMAGENET16, size=120)


def test_other_datasets_do_not_shift(tmp_path: Path) -> None:
    path = write_npz(tmp_path, x=some_pixels(9), y=np.arange(1, 10))
    assert sorted(load_batch(path, CIFAR10, size=9).labels.tolist()) == list(range(1, 10))


# -- a folder of images ---------------------------------------------------------------------------


def test_a_folder_without_images(tmp_path: Path) -> None:
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat" / "notes.txt").write_text("none yet")
    with pytest.raises(InvalidBatchError, match=r"no images in .*; expected one subfolder a class"):
        load_batch(tmp_path, CIFAR10)


def test_a_folder_needs_pillow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat" / "1.png").write_bytes(b"")
    # What Python itself does for a package that is not there.
    for name in ("PIL", "PIL.Image"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(InputError, match="needs the package PIL, which is not installed") as caught:
        load_batch(tmp_path, CIFAR10)
    assert not isinstance(caught.value, InvalidBatchError)


def write_folder(root: Path, pixels: Any, labels: Any, side: int = 32) -> Path:
    image = pytest.importorskip("PIL.Image", reason="needs Pillow")
    for number, (picture, label) in enumerate(zip(pixels, labels, strict=True)):
        folder = root / f"class {label}"
        folder.mkdir(exist_ok=True)
        image.fromarray(picture).resize((side, side)).save(folder / f"{number}.PNG")
    return root


def test_folder_images_keep_their_labels(tmp_path: Path) -> None:
    pixels, labels = some_pixels(12), some_labels(12, 3)
    pixels[:, 0, 0, 0] = labels
    (tmp_path / ".cache").mkdir()
    batch = load_batch(write_folder(tmp_path, pixels, labels), CIFAR10, size=12)
    back = (batch.images[:, 0, 0, 0] * CIFAR10.std[0] + CIFAR10.mean[0]) * 255
    assert back.round().long().tolist() == batch.labels.tolist()


def test_folder_images_of_another_size(tmp_path: Path) -> None:
    root = write_folder(tmp_path, some_pixels(4), some_labels(4), side=48)
    with pytest.raises(InvalidBatchError, match=r"PNG' is 48x48; expected 32x32 for cifar10"):
        load_batch(root, CIFAR10, size=4)


@pytest.mark.parametrize("content", [b"", b"no image", b"\x89PNG\r\n\x1a\n" + bytes(60)])
def test_a_broken_image(tmp_path: Path, content: bytes) -> None:
    pytest.importorskip("PIL.Image", reason="needs Pillow")
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat" / "1.png").write_bytes(content)
    with pytest.raises(InvalidBatchError, match=r"cannot read 'cat/1\.png'"):
        load_batch(tmp_path, CIFAR10, size=1)


# -- torchvision's CIFAR roots --------------------------------------------------------------------


def python2_array(values: np.ndarray[Any, np.dtype[np.uint8]]) -> bytes:
    """Opcodes of a two-dimensional array of bytes as Python 2 pickled it: names of old modules."""
    rows, columns = values.shape
    return (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntU\x01btR"
        + b"(I1\n"
        + f"(I{rows}\nI{columns}\nt".encode()
        + b"cnumpy\ndtype\n(U\x02u1I0\nI1\ntR(I3\nU\x01|NNNI-1\nI-1\nI0\ntb"
        + b"\x89"
        + b"T"
        + values.size.to_bytes(4, "little")
        + values.tobytes()
        + b"tb"
    )


def python2_batch(pixels: Any, labels: Any, key: str) -> bytes:
    flat = np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)).reshape(len(pixels), -1)
    numbers = b"".join(b"K" + bytes([int(k)]) for k in labels)
    return (
        b"\x80\x02}("
        + (b"U\x04data" + python2_array(flat))
        + (b"U" + bytes([len(key)]) + key.encode() + b"](" + numbers + b"e")
        + b"u."
    )


def python3_batch(pixels: Any, labels: Any, key: str, protocol: int) -> bytes:
    flat = np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)).reshape(len(pixels), -1)
    names = {"data": flat, key: [int(k) for k in labels]}
    return pickle.dumps(names, protocol=protocol)


def write_cifar10(root: Path, parts: list[bytes]) -> Path:
    folder = root / "cifar-10-batches-py"
    folder.mkdir()
    for number, part in enumerate(parts, start=1):
        (folder / f"data_batch_{number}").write_bytes(part)
    return root


@pytest.mark.parametrize("within", ["", "cifar-10-batches-py"])
def test_cifar10_root(tmp_path: Path, within: str) -> None:
    pixels, labels = some_pixels(50), some_labels(50)
    parts = [
        python2_batch(pixels[k : k + 10], labels[k : k + 10], "labels") for k in range(0, 50, 10)
    ]
    write_cifar10(tmp_path, parts)
    batch = load_batch(tmp_path / within, CIFAR10, size=50)
    npz = load_batch(write_npz(tmp_path, x=pixels, y=labels), CIFAR10, size=50)
    assert batch.digest == npz.digest


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_cifar100_root(tmp_path: Path, protocol: int) -> None:
    pixels, labels = some_pixels(30), some_labels(30, 100)
    (tmp_path / "cifar-100-python").mkdir()
    content = python3_batch(pixels, labels, "fine_labels", protocol)
    (tmp_path / "cifar-100-python" / "train").write_bytes(content)
    batch = load_batch(tmp_path, CIFAR100, size=30)
    npz = load_batch(write_npz(tmp_path, x=pixels, y=labels), CIFAR100, size=30)
    assert batch.digest == npz.digest
    with pytest.raises(InvalidBatchError, match="holds CIFAR-100; expected 10 classes"):
        load_batch(tmp_path, CIFAR10, size=30)


class Payload:
    """Pickles to a call; ``ran`` shows whether anyone made it."""

    def __init__(self, call: Any, *arguments: Any) -> None:
        self.call, self.arguments = call, arguments

    def __reduce__(self) -> Any:
        return self.call, self.arguments


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("place", ["alone", "in the labels"])
def test_a_malicious_pickle_does_not_run(tmp_path: Path, protocol: int, place: str) -> None:
    ran = tmp_path / "ran"
    payload = Payload(Path.touch, ran)
    content: Any = payload if place == "alone" else {"labels": [payload]}
    part = pickle.dumps(content, protocol=protocol)
    pickle.loads(part)  # noqa: S301 - our own, to see that it bites
    assert ran.exists(), "the payload is to work on whoever trusts it"
    ran.unlink()
    with pytest.raises(InvalidBatchError, match="it names"):
        load_batch(write_cifar10(tmp_path, [part] * 5), CIFAR10)
    assert not ran.exists()


@pytest.mark.parametrize(
    "opcodes",
    [
        b"cos\nsystem\n(S'true'\ntR.",
        b"cbuiltins\neval\n(S'1'\ntR.",
        b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93.",
        b"cnumpy\nload\n(S'x'\ntR.",
        b"cnumpy.core.multiarray\n_reconstruct.__globals__\n.",
        b"\x80\x04\x8c\x05numpy\x8c\x10ndarray.__init__\x93.",
        b"(S'x'\nios\nsystem\n.",
        b"(cos\nsystem\nS'true'\no.",
        b"cnumpy\nndarray\n(I1\ntR.",
        b"cnumpy.core.multiarray\n_reconstruct\n)\x81.",
        b"P1\n.",
        b"\x82\x01.",
        b"c_codecs\nencode\n(I1\ntR.",
        b".",
        b"",
    ],
)
def test_hostile_opcodes(tmp_path: Path, opcodes: bytes) -> None:
    with pytest.raises(InvalidBatchError) as caught:
        load_batch(write_cifar10(tmp_path, [opcodes] * 5), CIFAR10)
    assert "\n" not in str(caught.value)


def test_a_pickle_cannot_change_the_reader(tmp_path: Path) -> None:
    # BUILD on the stand-in of _reconstruct sets attributes of a function.
    spoil = b"cnumpy.core.multiarray\n_reconstruct\n(N}S'__kwdefaults__'\n}stb."
    root = write_cifar10(tmp_path, [spoil] * 5)
    with pytest.raises(InvalidBatchError):
        load_batch(root, CIFAR10)
    pixels, labels = some_pixels(5), some_labels(5)
    for number in range(1, 6):
        part = python2_batch(pixels[number - 1 : number], labels[number - 1 : number], "labels")
        (root / "cifar-10-batches-py" / f"data_batch_{number}").write_bytes(part)
    assert load_batch(root, CIFAR10, size=5).images.shape == (5, 3, 32, 32)


GOOD = python2_batch(some_pixels(1), some_labels(1), "labels")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (pickle.dumps([1, 2], protocol=2), "has no dictionary"),
        (pickle.dumps({"data": b"12"}, protocol=2), "no pixels under 'data'"),
        (pickle.dumps({"data": np.zeros((2, 5), np.uint8)}, protocol=2), "no pixels"),
        (pickle.dumps({"data": np.zeros((2, 3072))}, protocol=2), "no pixels"),
        (pickle.dumps({"data": np.asfortranarray(np.zeros((2, 3072), np.uint8))}, 2), "no pixels"),
        (pickle.dumps({"data": np.zeros((2, 3072), np.uint8)}, protocol=2), "no labels"),
        (
            pickle.dumps({"data": np.zeros((2, 3072), np.uint8), "labels": [1]}, protocol=2),
            "expected a list of 2 integers",
        ),
        (
            pickle.dumps({"data": np.zeros((1, 3072), np.uint8), "labels": [1.5]}, protocol=2),
            "no labels under 'labels'",
        ),
        (GOOD[:-100], "cannot read"),
        (codecs.encode(GOOD, "hex"), "cannot read"),
    ],
)
def test_bad_cifar(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(InvalidBatchError, match=message):
        load_batch(write_cifar10(tmp_path, [content] * 5), CIFAR10)


def test_a_missing_part(tmp_path: Path) -> None:
    with pytest.raises(InvalidBatchError, match="cannot read 'data_batch_3'"):
        load_batch(write_cifar10(tmp_path, [GOOD, GOOD]), CIFAR10)


@pytest.mark.slow
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(position=st.integers(0, 250), byte=st.integers(0, 255))
def test_a_damaged_pickle_is_refused_or_read(tmp_path: Path, position: int, byte: int) -> None:
    content = bytearray(GOOD)
    # The opcodes stand before and after the pixels.
    content[position if position < 200 else position - 250] = byte
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir(exist_ok=True)
    for number in range(1, 6):
        (folder / f"data_batch_{number}").write_bytes(content)
    assert_refused_or_read(tmp_path, size=5)


# -- real samples ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("cifar10_sample.npz", "cifar10"),
        ("cifar100_sample.npz", "cifar100"),
        ("imagenet16_sample.npz", "ImageNet16-120"),
    ],
)
def test_real_images(shared: Path, file: str, name: str) -> None:
    dataset = get_dataset(name)
    batch = load_batch(shared / "images" / file, dataset, size=64)
    counts = Counter(batch.labels.tolist())
    assert max(counts.values()) - min(counts.values()) <= 1
    assert len(counts) == min(dataset.num_classes, 64)
    assert batch.images.mean().abs() < 0.3
    assert 0.8 < batch.images.std() < 1.2


def test_a_real_image_arrives_unchanged(shared: Path) -> None:
    path = shared / "images" / "cifar10_sample.npz"
    batch = load_batch(path, CIFAR10, size=510)
    with np.load(path, allow_pickle=False) as arrays:
        pixels, labels = arrays["x_train"], arrays["y_train"]
    whole = make_batch(pixels, labels, CIFAR10, name="all")
    ours = {(i.numpy().tobytes(), int(k)) for i, k in zip(batch.images, batch.labels, strict=True)}
    assert ours == {
        (i.numpy().tobytes(), int(k)) for i, k in zip(whole.images, whole.labels, strict=True)
    }
