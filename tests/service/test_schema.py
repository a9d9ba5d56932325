"""The running server against its own OpenAPI document.

A quick look; ``python -m benchmarks.schema`` sends thousands of cases.
"""

import json
from pathlib import Path

import pytest

from benchmarks.schema import KEYS, check, count
from tests.service.quick_servers import quick_server
from tests.service.small_forest import SmallForest


@pytest.mark.slow
def test_the_server_keeps_to_its_document(small: SmallForest, tmp_path: Path) -> None:
    with quick_server(tmp_path, small, admin_keys=KEYS) as server:
        report = check(server.url, examples=4, seed=0, phases="examples,coverage,fuzzing")
    assert report["operations"]["tested"] == report["operations"]["total"] >= 20
    assert count(report) >= 300
    assert not report["errors"], json.dumps(report["errors"], indent=1)
    assert not report["failures"], json.dumps(report["failures"], indent=1)
