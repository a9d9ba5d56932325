"""``manifest.json`` of a bundle: its files, targets, training data, parameters and scores."""

import re
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from acorn.conditions import PREFIX, Condition
from acorn.errors import BundleError, abbreviate
from acorn.strict_json import JSONError, parse_json

SCHEMA_VERSION = 2
"""Version of bundles that are written: 2 compresses arrays, 1 did not."""

CONDITIONS_VERSION = 3
"""Version of bundles with conditions, which earlier versions of Acorn cannot read."""

RANKS_VERSION = 4
"""Version of bundles of ranks, which earlier versions of Acorn cannot read."""

READABLE_VERSIONS = (1, 2, 3, 4)
MANIFEST = "manifest.json"
MODEL_CARD = "MODEL_CARD.md"
FEATURES = "features.parquet"
INTERVALS = "intervals.safetensors"
DOMAIN = "domain.safetensors"
SEEN = "seen.safetensors"
IMPORTANCES = "importances.json"
ALWAYS_THERE = (MODEL_CARD, FEATURES, INTERVALS, DOMAIN, SEEN, IMPORTANCES)

_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")

Text = Annotated[str, Field(min_length=1, max_length=500)]
Count = Annotated[int, Field(ge=0)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, strict=True)


class FileEntry(_Strict):
    """A file of the bundle."""

    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    size: Count


class ForestEntry(_Strict):
    """A forest: the file, the columns that it reads and the targets that it predicts, in order.

    The trees of a boosted forest do not count in the spread over trees. An additive forest is added
    to the weighted mean over the trees of the others.
    """

    file: Text
    features: Annotated[list[Count], Field(min_length=1)]
    targets: Annotated[list[Text], Field(min_length=1)]
    trees: Annotated[int, Field(ge=1)]
    boosted: bool = False
    weight: Annotated[float, Field(gt=0)] = 1.0
    additive: bool = False


class LabelSource(_Strict):
    """A file that labels came from."""

    file: Text
    prefix: str
    rows: Count
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Candidate(_Strict):
    """A configuration that cross-validation tried, and its mean Kendall tau over targets."""

    stage: Text
    parameters: dict[str, Any]
    kendall_tau: float


class Manifest(_Strict):
    """Description of a bundle.

    ``scores`` are those of cross-validation on the training set, one row for each class of
    equivalent architectures. A target is predicted by the mean over the trees of all forests that
    list it. ``conditions`` are inputs besides the features of the architecture. With ``ranks``, the
    predictions are percentiles of the rows of the feature table, and there were no labels.
    """

    schema_version: int
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$")]
    version: Text
    space: Text
    dataset: Text
    created: Annotated[AwareDatetime, Field(strict=False)]
    files: dict[str, FileEntry]
    targets: Annotated[list[Text], Field(min_length=1)]
    features: Annotated[list[Text], Field(min_length=1)]
    settings: dict[str, Any]
    libraries: dict[str, str]
    labels: list[LabelSource]
    functions: Count
    forests: Annotated[list[ForestEntry], Field(min_length=1)]
    parameters: dict[str, Any]
    candidates: list[Candidate]
    scores: dict[str, dict[str, float | int | None]]
    conditions: list[Condition] = Field(default_factory=list)
    ranks: bool = False

    @model_validator(mode="after")
    def _names_agree(self) -> "Manifest":
        for name in (*self.files, *(forest.file for forest in self.forests)):
            if not _PLAIN_NAME.fullmatch(name) or name == MANIFEST:
                raise ValueError(f"{abbreviate(name)} is no plain file name")
        forests = [forest.file for forest in self.forests]
        expected = {*ALWAYS_THERE, *forests}
        if len(set(forests)) != len(forests) or set(self.files) != expected:
            listed = ", ".join(sorted(set(self.files) ^ expected)) or "a forest twice"
            raise ValueError(f"the files listed are not those of a bundle: see {listed}")
        conditions = [condition.name for condition in self.conditions]
        for what, names in (
            ("targets", self.targets),
            ("features", self.features),
            ("conditions", conditions),
        ):
            if len(set(names)) != len(names):
                raise ValueError(f"{what} are listed twice")
        columns = {column for condition in self.conditions for column in condition.columns}
        if {name for name in self.features if name.startswith(PREFIX)} != columns:
            raise ValueError("the columns of conditions are not those of the conditions")
        for forest in self.forests:
            if len(set(forest.targets)) != len(forest.targets):
                raise ValueError(f"{forest.file} lists a target twice")
            if max(forest.features) >= len(self.features):
                raise ValueError(f"{forest.file} reads a column that is not there")
        if {target for forest in self.forests for target in forest.targets} != set(self.targets):
            raise ValueError("the forests' targets are not those of the bundle")
        return self

    def to_bytes(self) -> bytes:
        """Serialise the manifest.

        Returns
        -------
        bytes
            JSON, which :meth:`from_bytes` reads.
        """
        # Manifests without conditions and ranks stay as they were before there were any.
        absent = {name for name in ("conditions", "ranks") if not getattr(self, name)}
        return (self.model_dump_json(indent=1, exclude=absent) + "\n").encode()

    @classmethod
    def from_bytes(cls, content: bytes) -> "Manifest":
        """Read a manifest.

        Parameters
        ----------
        content : bytes
            JSON.

        Returns
        -------
        Manifest

        Raises
        ------
        BundleError
            If it is malformed or of an unknown schema version; says what is wrong with it.
        """
        try:
            fields = parse_json(content)
        except JSONError as error:
            raise BundleError(f"{MANIFEST} {error}") from error
        version = fields.get("schema_version") if isinstance(fields, dict) else None
        if type(version) is not int:
            raise BundleError(f"{MANIFEST} has no schema_version; expected {SCHEMA_VERSION}")
        if version not in READABLE_VERSIONS:
            age = "newer" if version > READABLE_VERSIONS[-1] else "older"
            raise BundleError(
                f"{MANIFEST} has schema version {version}, {age} than this Acorn reads; expected "
                f"one of {', '.join(map(str, READABLE_VERSIONS))}"
            )
        try:
            return cls.model_validate(fields)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = "/".join(map(str, first["loc"])) or "the whole"
            raise BundleError(f"{MANIFEST} is malformed at {place}: {first['msg']}") from error
