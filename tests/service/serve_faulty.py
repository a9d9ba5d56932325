"""A server whose workers do as they are told for certain cells: sleep, die, fail.

``python -m tests.service.serve_faulty --port 1 --forests F ...`` takes the options of ``acorn
serve``. The environment variable ``FAULTS`` holds a JSON object that maps a canonical cell to a
command of ``work_functions.py``; ``*`` stands for all other cells. All features are zero.
"""

import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass

from acorn.features.feature_table import FeatureRow
from service.observability.logs import LogFormat, configure_logging
from service.settings import load_settings
from service.workers.feature_work import FeatureTask
from tests.service.work_functions import work
from training.commands.serving.serve import serve_until_stopped


@dataclass(frozen=True)
class Faulty:
    """Makes the workers' function."""

    commands: dict[str, str]
    log_format: LogFormat = "text"

    def __call__(self, index: int) -> Callable[[FeatureTask], FeatureRow]:  # noqa: ARG002
        configure_logging("info", self.log_format)
        return self.compute

    def compute(self, task: FeatureTask) -> FeatureRow:
        work(self.commands.get(task.canonical, self.commands.get("*", "")))
        values = dict.fromkeys(task.recipe.names, 0.0)
        return FeatureRow(f"{task.space}/{task.canonical}", values)


if __name__ == "__main__":
    names = [argument.removeprefix("--").replace("-", "_") for argument in sys.argv[1::2]]
    options = dict(zip(names, sys.argv[2::2], strict=True))
    settings = load_settings(**options)
    factory = Faulty(json.loads(os.environ["FAULTS"]), settings.log_format)
    serve_until_stopped(settings, factory=factory)
