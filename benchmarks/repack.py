"""Convert bundles to the current format losslessly: ``python -m benchmarks.repack [BUNDLE..]``.

Every array is compared with the original. Predictions, names and versions do not change.
"""

import argparse
from pathlib import Path

import numpy as np

from acorn.forests import Bundle, write_bundle
from acorn.forests._tensors import read_tensors, write_tensors
from acorn.forests.manifest import SCHEMA_VERSION
from benchmarks.release import RELEASED


def repack(path: Path) -> tuple[int, int]:
    """Rewrite one bundle; return its bytes before and after."""
    manifest = Bundle.load(path).manifest
    before = {name: (path / name).read_bytes() for name in manifest.files}
    after = dict(before)
    for name in before:
        if name.endswith(".safetensors"):
            arrays = read_tensors(before[name])
            if "strangeness" in arrays:  # its name in schema version 1
                arrays["nonconformity"] = arrays.pop("strangeness")
            after[name] = write_tensors(arrays)
            for key, array in read_tensors(after[name]).items():
                np.testing.assert_array_equal(array, arrays[key], strict=True)
    write_bundle(path, after, manifest.model_copy(update={"schema_version": SCHEMA_VERSION}))
    return sum(map(len, before.values())), sum(map(len, after.values()))


def main() -> None:
    """Rewrite and print sizes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundles", nargs="*", type=Path, help="folders; all released ones if none")
    for path in parser.parse_args().bundles or sorted(RELEASED.iterdir()):
        before, after = repack(path)
        print(f"{path.name:26s} {before / 2**20:6.2f} MiB -> {after / 2**20:6.2f} MiB")


if __name__ == "__main__":
    main()
