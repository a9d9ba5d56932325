import numpy as np
import pytest

from acorn.proxies import run
from tests.proxies.small import batch, cell_network
from tests.proxies.test_az_expressivity import entropies


def test_smallest_rise_of_the_entropy() -> None:
    result = run(cell_network(), *batch(), num_classes=4, proxies="az_progressivity")
    assert result.values["az_progressivity"] == pytest.approx(
        float(np.diff(entropies()).min()), abs=1e-4
    )
