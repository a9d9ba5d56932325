import pytest

from models.proxies import run
from tests.proxies.small import batch, cell_network
from tests.proxies.test_croze import definition


def test_images_ascend_their_loss() -> None:
    values = run(cell_network(), *batch(10), num_classes=4, proxies="croze_ascent").values
    assert values["croze_ascent"] == pytest.approx(definition(1), rel=1e-6)
    assert values["croze_ascent"] != pytest.approx(definition(-1), rel=1e-6)
