import pytest

from acorn.learning.feature_sets import SIZE, feature_sets


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["nwot", "graph.depth", "paths.a"],
         {"structure": [1, 2], "space": [2], "proxies": [0], "space_and_proxies": [0, 2],
          "both": [0, 1, 2]}),
        (["nwot", "paths.a"], {"structure": [1], "proxies": [0], "both": [0, 1]}),
        (["size.a", "size.b"], {"structure": [0, 1]}),
        (["synflow"], {"proxies": [0]}),
        ([], {}),
    ],
)  # fmt: skip
def test_sets_are_those_that_differ(names: list[str], expected: dict[str, list[int]]) -> None:
    assert feature_sets(names) == expected


def test_the_cheaper_come_first() -> None:
    names = ["graph.depth", "paths.a", "nwot"]
    assert [*feature_sets(names)] == ["structure", "space", "proxies", "space_and_proxies", "both"]


def test_size_is_for_tables_of_several_spaces() -> None:
    assert feature_sets([*SIZE, "grasp"])["size"] == [*range(len(SIZE))]
    assert "size" not in feature_sets([*SIZE, "paths.a"])
    assert "size" not in feature_sets(SIZE[1:])
