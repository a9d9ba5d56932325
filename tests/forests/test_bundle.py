import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import save

from acorn.errors import BundleError, InputError, UnknownTargetError
from acorn.forests import Bundle, write_bundle
from acorn.forests._tensors import read_tensors
from acorn.forests.manifest import READABLE_VERSIONS, Manifest
from tests.forests.trees import tree_predictions

FILES = [
    "MODEL_CARD.md",
    "domain.safetensors",
    "features.parquet",
    "forest-0.safetensors",
    "forest-1.safetensors",
    "importances.json",
    "intervals.safetensors",
    "seen.safetensors",
]


def rows(n: int = 5, seed: int = 1) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=(n, 6)).astype(np.float32)


def edit(path: Path, **changes: object) -> None:
    """Change fields of the manifest."""
    manifest = json.loads((path / "manifest.json").read_text())
    (path / "manifest.json").write_text(json.dumps(manifest | changes))


def put(path: Path, name: str, content: bytes) -> None:
    """Replace a file and its entry in the manifest, as somebody would who means harm."""
    (path / name).write_bytes(content)
    files = json.loads((path / "manifest.json").read_text())["files"]
    entry = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
    edit(path, files=files | {name: entry})


def refused(path: Path, match: str) -> bool:
    with pytest.raises(BundleError, match=match) as caught:
        Bundle.load(path)
    assert "\n" not in str(caught.value)
    return True


def test_what_a_bundle_says_of_itself(bundle: Bundle) -> None:
    assert (bundle.name, bundle.version, bundle.space) == ("space-cifar10", "1", "space")
    assert bundle.targets == ("clean", "pgd_linf_1.0", "adv.pgd_linf_8")
    assert bundle.settings["batch"] == "noise"
    assert len(bundle.table) == 80
    known = bundle.training_set.contains(["space/0", "space/79", "no"])
    assert known.tolist() == [True, False, False]


def test_a_target_is_the_mean_over_the_trees_of_all_its_forests(bundle: Bundle) -> None:
    X = rows()
    members = bundle.ensemble.members
    first, second = (tree_predictions(member.forest, X[:, member.features]) for member in members)
    trees = np.concatenate([first[:, :, 0], second[:, :, 0]])
    found = bundle.predict(X)
    np.testing.assert_allclose(found["clean"].value, trees.mean(axis=0))
    np.testing.assert_allclose(found["pgd_linf_1.0"].value, first[:, :, 1].mean(axis=0))
    _, spread = bundle.ensemble.distribution(X, [0])
    np.testing.assert_allclose(spread[:, 0], trees.std(axis=0), atol=1e-6)


def test_targets_are_found_in_any_spelling(bundle: Bundle) -> None:
    found = bundle.predict(rows(), targets=["pgd_linf_1", "adv.pgd_linf_8.0", "pgd_linf_1.0"])
    assert list(found) == ["pgd_linf_1", "adv.pgd_linf_8.0", "pgd_linf_1.0"]
    np.testing.assert_array_equal(found["pgd_linf_1"].value, found["pgd_linf_1.0"].value)
    with pytest.raises(UnknownTargetError, match=r"'pgd_linf_2'; expected one of .*clean"):
        bundle.predict(rows(), targets=["pgd_linf_2"])


def test_intervals_hold_the_value_and_widen_with_the_level(bundle: Bundle) -> None:
    narrow, wide = (bundle.predict(rows(), interval=level)["clean"] for level in (0.5, 0.95))
    assert (narrow.lower < narrow.value).all()
    assert (narrow.value < narrow.upper).all()
    assert (wide.lower < narrow.lower).all()
    assert (wide.upper > narrow.upper).all()
    whole = bundle.predict(rows(), interval=0.9999)["clean"]  # more than 80 scores can promise
    assert (whole.lower == 0).all()
    assert (whole.upper == 100).all()


@pytest.mark.parametrize("level", [0, 1, -0.1, 1.5, float("nan")])
def test_levels_are_inside_0_and_1(bundle: Bundle, level: float) -> None:
    with pytest.raises(InputError, match="interval level"):
        bundle.predict(rows(), interval=level)


def test_attributions_add_up_to_the_value(bundle: Bundle) -> None:
    X = rows(20)
    X[3, 2] = np.nan
    found = bundle.attributions(X)
    values = bundle.predict(X)
    for target, (baseline, contributions) in found.items():
        assert contributions.shape == (20, 6)
        total = baseline + contributions.sum(axis=1)
        np.testing.assert_allclose(total, values[target].value, rtol=0, atol=1e-9)
    assert np.abs(found["clean"].contributions[:, 5]).max() > 0
    assert np.abs(found["pgd_linf_1.0"].contributions[:, 5]).max() == 0  # its forest has no f5


def test_overflowed_and_missing_features_are_predicted_from(bundle: Bundle) -> None:
    X = rows(3)
    X[0, 0], X[1, 1], X[2] = np.inf, -np.inf, np.nan
    for bound in bundle.predict(X)["clean"]:
        assert np.isfinite(bound).all()
    in_domain, score = bundle.outliers(X)
    assert not in_domain.any()
    assert (score > 0.95).all()


def test_functions_of_training_are_known_however_strange(bundle: Bundle) -> None:
    strange = np.full((2, 6), 50, np.float32)
    in_domain, score = bundle.outliers(strange, ["space/0", "space/unheard-of"])
    assert in_domain.tolist() == [True, False]
    assert (score > 0.95).all()


def test_other_shapes_are_refused(bundle: Bundle) -> None:
    with pytest.raises(ValueError, match=r"expected float32 of shape \(n, 6\)"):
        bundle.predict(np.zeros((2, 5), np.float32))


def test_importances(bundle: Bundle) -> None:
    assert bundle.importances("pgd_linf_1") == [("f0", 0.5, 0.1)]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("where", [0, -1, "middle"])
def test_a_flipped_bit_is_found(copy: Path, name: str, where: int | Literal["middle"]) -> None:
    content = bytearray((copy / name).read_bytes())
    content[len(content) // 2 if where == "middle" else where] ^= 1
    (copy / name).write_bytes(content)
    assert refused(copy, f"{name} has another SHA-256")


@pytest.mark.parametrize("name", FILES)
def test_a_truncated_file_is_found(copy: Path, name: str) -> None:
    os.truncate(copy / name, (copy / name).stat().st_size - 1)
    assert refused(copy, rf"{name} has \d+ bytes; the manifest says \d+")


@pytest.mark.parametrize("name", [*FILES, "manifest.json"])
def test_a_missing_file_is_found(copy: Path, name: str) -> None:
    (copy / name).unlink()
    assert refused(copy, f"missing {name}|no {name}")


def test_an_extra_file_is_found(copy: Path) -> None:
    (copy / "setup.py").write_text("import this")
    assert refused(copy, "unexpected setup.py")


@pytest.mark.parametrize("name", ["forest-0.safetensors", "manifest.json"])
def test_symbolic_links_are_refused(copy: Path, tmp_path: Path, name: str) -> None:
    (copy / name).rename(tmp_path / "elsewhere")
    (copy / name).symlink_to(tmp_path / "elsewhere")
    assert refused(copy, f"{name} is not a plain file")


def test_folders_inside_are_refused(copy: Path) -> None:
    (copy / "more").mkdir()
    assert refused(copy, "more is not a plain file")


def test_no_bundle_at_all(tmp_path: Path) -> None:
    assert refused(tmp_path / "nothing", "no such directory")
    assert refused(tmp_path, r"no manifest\.json")


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "is not JSON"),
        ("{", "is not JSON"),
        ("\ud800".encode("utf-8", "surrogatepass"), "is not UTF-8"),
        ('{"schema_version": NaN}', "got NaN; expected a finite number"),
        ("[" * 100_000, "nested deeper"),
        ("[]", "no schema_version"),
        ('{"schema_version": "1"}', "no schema_version"),
        ('{"schema_version": true}', "no schema_version"),
        ('{"schema_version": 0}', "older than"),
        ('{"schema_version": 1}', "malformed at name"),
    ],
)
def test_a_bad_manifest_is_refused(copy: Path, text: str | bytes, match: str) -> None:
    content = text if isinstance(text, bytes) else text.encode()
    (copy / "manifest.json").write_bytes(content)
    assert refused(copy, match)


def entry(**changes: object) -> dict[str, object]:
    return {"sha256": "0" * 64, "size": 1} | changes


def forests(**changes: object) -> list[dict[str, object]]:
    whole = {"file": "forest-0.safetensors", "features": [0], "targets": ["clean"], "trees": 8}
    return [whole | changes]


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"schema_version": READABLE_VERSIONS[-1] + 1}, "newer than this Acorn reads"),
        ({"surprise": 1}, "malformed at surprise"),
        ({"targets": []}, "malformed at targets"),
        ({"targets": ["clean", "clean"]}, "targets are listed twice"),
        ({"targets": ["clean"]}, "not those of the bundle"),
        ({"features": ["f0"]}, "column that is not there"),
        ({"features": ["f0", *"bcdef"]}, "lacks 5 of 6 columns"),
        ({"name": "../up"}, "malformed at name"),
        ({"created": "yesterday"}, "malformed at created"),
        ({"functions": -1}, "malformed at functions"),
        ({"functions": 1.5}, "malformed at functions"),
        ({"settings": {"dataset": "cifar10"}}, "other settings"),
        ({"files": {"../../x": entry()}}, "no plain file name"),
        ({"files": {"/etc/passwd": entry()}}, "no plain file name"),
        ({"files": {".hidden": entry()}}, "no plain file name"),
        ({"files": {"manifest.json": entry()}}, "no plain file name"),
        ({"files": {"x": entry(sha256="g" * 64)}}, "malformed at files/x/sha256"),
        ({"files": {"x": entry(size=-1)}}, "malformed at files/x/size"),
        ({"files": {}}, "files listed are not those of a bundle"),
        ({"forests": []}, "malformed at forests"),
        ({"forests": forests(features=[-1])}, "malformed at forests/0/features"),
        ({"forests": forests(file="../f")}, "no plain file name"),
        ({"forests": forests() * 2}, "files listed are not"),
    ],
)
def test_a_manifest_that_contradicts_is_refused(
    copy: Path, changes: dict[str, object], match: str
) -> None:
    edit(copy, **changes)
    assert refused(copy, match)


def test_a_bundle_of_schema_version_1_predicts_the_same(copy: Path, bundle: Bundle) -> None:
    for name in FILES:
        if name.endswith(".safetensors"):
            arrays = read_tensors((copy / name).read_bytes())
            if "nonconformity" in arrays:
                arrays["strangeness"] = arrays.pop("nonconformity")
            put(copy, name, save(arrays))
    edit(copy, schema_version=1)
    old, X = Bundle.load(copy), rows()
    for target, prediction in bundle.predict(X).items():
        np.testing.assert_array_equal(old.predict(X)[target], prediction)
    np.testing.assert_array_equal(old.outliers(X), bundle.outliers(X))


def test_forests_must_be_what_the_manifest_says(copy: Path) -> None:
    put(copy, "forest-1.safetensors", (copy / "forest-0.safetensors").read_bytes())
    assert refused(copy, r"forest-1.safetensors has \(features, outputs, trees\) \(5, 3, 8\)")


def test_a_corrupt_forest_with_a_right_hash_is_refused(copy: Path) -> None:
    name = "forest-0.safetensors"
    forest = Bundle.load(copy).ensemble.members[0].forest
    forest.feature[3] = 5
    put(copy, name, forest.to_bytes())
    assert refused(copy, r"forest-0.safetensors: tree 0, node \d+: feature 5 is not one of 5")


@pytest.mark.parametrize("name", [name for name in FILES if name != "MODEL_CARD.md"])
@pytest.mark.parametrize("content", [b"", b"\x80\x04.", b'{"a": 1}', b"[]", b"null"])
def test_other_content_with_a_right_hash_is_refused(copy: Path, name: str, content: bytes) -> None:
    put(copy, name, content)
    assert refused(copy, "the bundle")


@pytest.mark.parametrize("name", ["intervals.safetensors", "domain.safetensors"])
def test_arrays_of_another_file_are_refused(copy: Path, name: str) -> None:
    put(copy, name, (copy / "seen.safetensors").read_bytes())
    assert refused(copy, "got the arrays")


def write_again(sound: Path, out: Path) -> Bundle:
    manifest = Manifest.from_bytes((sound / "manifest.json").read_bytes())
    contents = {name: (sound / name).read_bytes() for name in FILES}
    return write_bundle(out, contents, manifest)


def test_writing_again_replaces(sound: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    write_again(sound, out)
    (out / "MODEL_CARD.md").write_text("changed")
    write_again(sound, out)
    assert Bundle.load(out).name == "space-cifar10"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_bundle_that_does_not_verify_is_never_put_in_place(sound: Path, tmp_path: Path) -> None:
    out = shutil.copytree(sound, tmp_path / "out")
    manifest = Manifest.from_bytes((sound / "manifest.json").read_bytes())
    contents = {name: (sound / name).read_bytes() for name in FILES} | {"seen.safetensors": b""}
    with pytest.raises(BundleError, match="not a safetensors file"):
        write_bundle(out, contents, manifest)
    assert Bundle.load(out).name == "space-cifar10"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_what_is_no_bundle_is_not_replaced(sound: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(InputError, match="is no bundle"):
        write_again(sound, tmp_path)
    assert (tmp_path / "thesis.tex").read_text() == "precious"
