"""Errors cross process borders and are copied as they are: every class of the project."""

import copy
import pickle
import pkgutil
import tomllib
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from acorn.client.errors import JobFailed, JobTimeout, ProblemError, ValidationProblem
from acorn.errors import AcornError, UnknownNameError
from acorn.schemas.jobs import Job, JobLinks
from acorn.schemas.problems import Problem, ProblemItem
from acorn.strict_json import JSONError
from service.errors import ComputationError, InvalidRequestError, ServiceError
from service.prediction.feature_path import combined_error
from service.storage.database import DatabaseError

ROOT = Path(__file__).parents[1]
PACKAGES = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mypy"]["packages"]
EXTRAS = {"deap", "opentelemetry", "ray", "timm"}
"""Packages of extras: modules that import them at once are left out where they are missing."""


def _job(state: Any) -> Job:
    now = datetime(2026, 1, 2, tzinfo=UTC)
    return Job(
        id="a1",
        state=state,
        dataset="cifar10",
        forest="nats_tss-cifar10",
        total=9,
        done=4,
        failed=1,
        created=now,
        started=now,
        finished=None,
        rate=None,
        seconds_left=None,
        error=Problem(title="Unprocessable Entity", status=422, detail="it is wrong"),
        links=JobLinks(job="/jobs/a1", result="/jobs/a1/result", events="/jobs/a1/events"),
    )


ITEM = ProblemItem(pointer="/architectures/0/arch", detail="got 'x'; expected a cell")
PROBLEM = Problem(title="Conflict", status=409, detail="not now", errors=[ITEM, ITEM])
MAKERS: dict[type[BaseException], Callable[[Any], BaseException]] = {
    UnknownNameError: lambda cls: cls("mnist", ["cifar10", "cifar100"]),
    JSONError: lambda cls: cls("has invalid values", [("/a", "got NaN")]),
    ServiceError: lambda cls: cls("it broke", errors=[ITEM], retry_after=7),
    InvalidRequestError: lambda cls: cls([ITEM], count=30),
    DatabaseError: lambda cls: cls("no such\nhost", passing=False),
    JobFailed: lambda cls: cls(_job("failed")),
    JobTimeout: lambda cls: cls(_job("running"), 2.5),
    ProblemError: lambda cls: cls(PROBLEM, retry_after=1.5),
}
"""How to make an error of a class, by the class that has the __init__."""


def error_classes() -> list[type[BaseException]]:
    """Import the whole project, and find the exceptions that it defines."""
    for package in PACKAGES:
        for module in pkgutil.walk_packages([str(ROOT / package)], f"{package}."):
            if module.name.rpartition(".")[2] != "__main__":
                _import(module.name)
    return sorted({*_subclasses(BaseException)}, key=lambda cls: (cls.__module__, cls.__qualname__))


def _import(name: str) -> None:
    try:
        import_module(name)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in EXTRAS:
            raise


def _subclasses(cls: type[BaseException]) -> Iterator[type[BaseException]]:
    for each in type.__subclasses__(cls):
        if each.__module__.partition(".")[0] in PACKAGES:
            yield each
        yield from _subclasses(each)


def make(cls: type[BaseException]) -> BaseException:
    """Make an error as the project does."""
    owner = next(each for each in cls.__mro__ if "__init__" in vars(each))
    if owner.__module__ == "builtins":
        return cls("got 1; expected 2")
    if owner not in MAKERS:
        pytest.fail(f"{owner.__qualname__} has an __init__ of its own; add it to MAKERS")
    return MAKERS[owner](cls)


def check_same(error: BaseException, other: BaseException) -> None:
    assert other is not error
    assert type(other) is type(error)
    assert other.args == error.args
    assert str(other) == str(error)
    assert vars(other) == vars(error)


CLASSES = error_classes()


def test_all_classes_are_found() -> None:
    assert {*MAKERS} <= {*CLASSES}
    assert len(CLASSES) > 45
    assert not [cls for cls in CLASSES if "<locals>" in cls.__qualname__]  # not to be pickled


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: f"{cls.__module__}.{cls.__qualname__}")
def test_an_error_is_pickled_and_copied_as_it_is(cls: type[BaseException]) -> None:
    error = make(cls)
    error.request = {"said": ["later"]}  # type: ignore[attr-defined]
    error.add_note("while it was tested")
    assert str(error)
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        check_same(error, pickle.loads(pickle.dumps(error, protocol)))  # noqa: S301
    check_same(error, copy.copy(error))
    check_same(error, copy.deepcopy(error))
    check_same(error, pickle.loads(pickle.dumps(copy.copy(error))))  # noqa: S301


def test_what_cannot_be_pickled_is_told() -> None:
    class DroppedError(Exception):
        def __init__(self, number: int) -> None:
            self.number = number
            super().__init__(f"got {number}")

    error = DroppedError(3)
    with pytest.raises(AssertionError):
        check_same(error, copy.copy(error))  # made of its message: the number is wrong
    with pytest.raises(pytest.fail.Exception, match="MAKERS"):
        make(type("NewError", (AcornError,), {"__init__": DroppedError.__init__}))


def test_the_count_of_bad_items_survives() -> None:
    error = InvalidRequestError([ITEM], count=30)
    again = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert str(again).startswith("30 items of the request are wrong")
    assert again.errors == [ITEM]


def test_a_cause_stays_behind() -> None:
    with pytest.raises(UnknownNameError) as caught:
        raise UnknownNameError("a", "b") from TypeError(lambda: None)  # which no pickle takes
    again = pickle.loads(pickle.dumps(caught.value))  # noqa: S301
    assert (again.__cause__, again.__context__, again.__traceback__) == (None, None, None)
    check_same(caught.value, again)


def _refuse(kind: str) -> None:
    if kind == "server":
        raise InvalidRequestError([ITEM], count=30)
    raise ValidationProblem(PROBLEM)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("server", InvalidRequestError([ITEM], count=30)), ("client", ValidationProblem(PROBLEM))],
)
def test_an_error_of_another_process_is_raised_here(kind: str, expected: AcornError) -> None:
    with (
        ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool,
        pytest.raises(type(expected)) as caught,
    ):
        pool.submit(_refuse, kind).result()
    check_same(expected, caught.value)


@pytest.mark.parametrize(
    "worst", [DatabaseError("no host"), ComputationError("it broke", retry_after=3)]
)
def test_one_error_is_made_of_many_whatever_its_class_takes(worst: ServiceError) -> None:
    class Asked:
        id = "a"

    error: Any = combined_error([Asked(), Asked()], {"a": worst})  # type: ignore[list-item]
    assert type(error) is type(worst)
    assert (str(error), error.retry_after) == (str(worst), worst.retry_after)
    assert [item.pointer for item in error.errors] == ["/architectures/0", "/architectures/1"]
    assert worst.errors == []
