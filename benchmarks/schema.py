"""Test the server against its OpenAPI document: ``python -m benchmarks.schema --cases 5000``.

Schemathesis sends valid and invalid requests to all operations, with and without a key, and follows
links to created resources. No response may have a status of 500 or more; every status, content
type, header and body must be documented. Two checks are switched off: that all valid requests are
accepted, because a schema cannot express which texts are architectures; and that a deleted resource
no longer exists, because the first DELETE of a running job only cancels it.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.server import running
from service.http.middleware.keys import hash_line, new_key

KEY = new_key()
KEYS = hash_line("schemathesis", KEY)
"""Value of the server's setting ``api_keys`` or ``admin_keys``."""

LEFT_OUT = "positive_data_acceptance,use_after_free"
PHASES = "examples,coverage,fuzzing,stateful"


def main() -> None:
    """Send the requested number of cases, and print the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    os.environ["ACORN_API_KEYS"] = KEYS  # no admin's: each reload would take seconds
    cases = failures = 0
    with running("training.commands serve") as server:
        seed = options.seed
        while cases < options.cases:
            report = check(f"http://127.0.0.1:{server.port}", examples=100, seed=seed)
            cases += count(report)
            failures += len(report["failures"]) + len(report["errors"])
            show(report)
            seed += 1
    print(f"{cases} cases, {failures} failures")
    sys.exit(failures > 0)


def check(url: str, *, examples: int, seed: int, phases: str = PHASES) -> Mapping[str, Any]:
    """Run Schemathesis, and return its report.

    Parameters
    ----------
    url
        Address of the server.
    examples
        Number of random cases for each operation, in addition to the systematic ones.
    seed
        Seed of the random cases.
    phases
        Phases of Schemathesis, separated by commas.
    """
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [
            *(sys.executable, "-m", "schemathesis.cli", "run", f"{url}/openapi.json"),
            *("--max-examples", str(examples), "--seed", str(seed), "--continue-on-failure"),
            *("--phases", phases),
            *("--checks", "all", "--exclude-checks", LEFT_OUT),
            *("--header", f"X-API-Key: {KEY}", "--request-timeout", "60"),
            *("--generation-database", "none", "--suppress-health-check", "all"),
            *("--report", "json", "--report-json-path", str(report)),
        ]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if not report.exists():
            raise RuntimeError(f"schemathesis failed: {done.stdout}{done.stderr}")
        found: Mapping[str, Any] = json.loads(report.read_text())
        return found


def count(report: Mapping[str, Any]) -> int:
    """Count the cases of a report."""
    cases: int = report["test_cases"]["generated"]
    return cases


def show(report: Mapping[str, Any]) -> None:
    """Print a report."""
    operations = report["operations"]
    print(
        f"seed {report['seed']}: {count(report)} cases of {operations['tested']} of "
        f"{operations['total']} operations in {report['running_time']:.0f} s"
    )
    for failure in [*report["failures"], *report["errors"]]:
        print(json.dumps(failure, indent=1))


if __name__ == "__main__":
    main()
