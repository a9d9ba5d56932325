from acorn.proxies import run
from tests.proxies.small import batch, cell_network


def test_is_flops() -> None:
    values = run(cell_network(), *batch(), num_classes=4, proxies=["az_complexity", "flops"]).values
    assert values["az_complexity"] == values["flops"]
    assert (values["flops"] or 0) > 0
