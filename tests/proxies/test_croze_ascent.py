import pytest

from acorn.proxies import run
from tests.proxies.small import batch, cell_network
from tests.proxies.test_croze import definition, drawn


def test_images_ascend_their_loss() -> None:
    result = run(cell_network(), *batch(10), num_classes=4, proxies="croze_ascent")
    weights, part = drawn()[0], [0, 1, 2, 3]
    value = result.values["croze_ascent"]
    assert value == pytest.approx(definition(1, weights, part), rel=1e-6)
    assert value != pytest.approx(definition(-1, weights, part), rel=1e-6)
    assert result.errors == {}
