"""The plan of an analysis, written before the data: what is looked at, when, on which scale, what counts together."""

from __future__ import annotations

import datetime
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum

from immunomon.study.model.uses import PanelUse, panels_meant
from immunomon.study.model.visits import Visit, in_order

__all__ = [
    "LABORATORY",
    "AnalysisPlan",
    "AssayVariation",
    "Composition",
    "Endpoint",
    "Expected",
    "Family",
    "NotReportable",
    "Scale",
    "VisitsOverTime",
    "Window",
    "default_plan",
]


class Scale(StrEnum):
    """The scale that changes are counted on: log-odds of a percent, logarithm, or centred log-ratio in one parent."""

    LOG_ODDS = "log-odds"
    LOG = "log"
    CLR = "clr"


class Expected(StrEnum):
    """Which way a trend is expected to go, declared beforehand; ``either`` makes its test two-sided."""

    EITHER = "either"
    UP = "up"
    DOWN = "down"


class NotReportable(StrEnum):
    """What is done with a value below the limits of what is reported: left out, or its counts used all the same."""

    LEAVE_OUT = "leave out"
    USE_COUNTS = "use counts"


class VisitsOverTime(StrEnum):
    """How a model over all visits takes them: each for itself, or as points on one smooth course."""

    FACTOR = "factor"
    SMOOTH = "smooth"


LABORATORY = "laboratory"
"""Panel and quantity of the endpoints that are laboratory values."""


@dataclass(frozen=True)
class Endpoint:
    """One quantity that the plan names: where it stands in the table of changes, and its scale.

    denominator: empty for cells_per_ul, median_intensity and laboratory; marker: of a median_intensity. A laboratory
    value has the panel LABORATORY, and its analyte's id as population.
    """

    name: str
    panel: str
    population: str
    denominator: str = ""
    quantity: str = "percent"
    marker: str = ""
    scale: Scale = Scale.LOG_ODDS
    expected: Expected = Expected.EITHER


@dataclass(frozen=True)
class Composition:
    """Populations that are parts of one parent, looked at together as centred log-ratios."""

    name: str
    panel: str
    parent: str
    parts: tuple[str, ...]

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """One endpoint for each part, named ``COMPOSITION.PART``."""
        return tuple(
            Endpoint(f"{self.name}.{part}", self.panel, part, self.parent, scale=Scale.CLR) for part in self.parts
        )


@dataclass(frozen=True)
class Family:
    """Tests that are judged together: endpoints at visits."""

    name: str
    endpoints: tuple[str, ...]
    visits: tuple[str, ...]


@dataclass(frozen=True)
class Window:
    """A stretch of the study from one visit to another, both within, over which a course is described."""

    name: str
    first: str
    last: str


@dataclass(frozen=True)
class AssayVariation:
    """How much a value varies without anything having changed, as coefficients of variation in percent.

    assay: the same blood measured again; person: the same person on another day; populations: id -> own figures.
    """

    assay_cv_percent: float = 10.0
    person_cv_percent: float = 15.0
    populations: Mapping[str, AssayVariation] = field(default_factory=dict)

    def of(self, population: str) -> AssayVariation:
        """Return the figures that hold for a population.

        >>> AssayVariation(populations={"plasmablasts": AssayVariation(30.0, 40.0)}).of("plasmablasts").assay_cv_percent
        30.0
        """
        return self.populations.get(population, self)


@dataclass(frozen=True)
class AnalysisPlan:
    """A whole plan; ``source`` says where it is from (a file's name, or the default of the software)."""

    name: str
    primary: Family
    endpoints: tuple[Endpoint, ...]
    families: tuple[Family, ...] = ()
    windows: tuple[Window, ...] = ()
    compositions: tuple[Composition, ...] = ()
    assay: AssayVariation = AssayVariation()
    not_reportable: NotReportable = NotReportable.LEAVE_OUT
    visits_over_time: VisitsOverTime = VisitsOverTime.FACTOR
    alpha: float = 0.05
    declared_on: datetime.date | None = None
    source: str = "default"

    @property
    def digest(self) -> str:
        """The SHA-256 of the plan's content, which does not depend on how its file is written or named."""
        content = {key: value for key, value in asdict(self).items() if key != "source"}
        text = json.dumps(content, sort_keys=True, default=str, ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(text.encode("utf-8")).hexdigest()

    @property
    def all_endpoints(self) -> tuple[Endpoint, ...]:
        """The endpoints, with the parts of the compositions."""
        return (*self.endpoints, *(part for composition in self.compositions for part in composition.endpoints))

    @property
    def all_families(self) -> tuple[Family, ...]:
        """The primary family first, then the others."""
        return (self.primary, *self.families)

    def on(self, uses: Sequence[PanelUse]) -> AnalysisPlan:
        """Return the plan with the names of panels in use where it names a strategy: the first that it looks at.

        >>> plan = default_plan([Visit("D-1", -1, baseline=True), Visit("W4", 29)])
        >>> plan.on([PanelUse("blood20~treg", "treg")]).endpoints[0].panel
        'blood20~treg'
        """

        def meant(names: str) -> str:
            return "/".join(next(iter(panels_meant(name, uses)), name) for name in names.split("/"))

        endpoints = tuple(replace(endpoint, panel=meant(endpoint.panel)) for endpoint in self.endpoints)
        compositions = tuple(replace(whole, panel=meant(whole.panel)) for whole in self.compositions)
        return replace(self, endpoints=endpoints, compositions=compositions)

    def role_of(self, endpoint: str, visit: str) -> str:
        """Return ``primary``, ``planned`` (in another declared family) or ``exploratory``.

        >>> plan = default_plan([Visit("D-1", -1, baseline=True), Visit("W4", 29)])
        >>> plan.role_of("treg", "W4"), plan.role_of("treg", "W28")
        ('primary', 'exploratory')
        """
        for family in self.all_families:
            if endpoint in family.endpoints and visit in family.visits:
                return "primary" if family is self.primary else "planned"
        return "exploratory"


def _default_endpoints() -> Iterator[Endpoint]:
    yield Endpoint("treg", "treg", "treg", "cd4")
    yield Endpoint("th1", "thelper", "th1", "cd4")
    yield Endpoint("th17", "thelper", "th17", "cd4")
    yield Endpoint("b_cells", "bcell", "b_cells", "lymphocytes")
    yield Endpoint("nk", "nk", "nk", "lymphocytes")


def default_plan(visits: Sequence[Visit]) -> AnalysisPlan:
    """Return the plan that is used when a study declares none: five populations at the visit planned nearest to week 4.

    Its windows are from baseline to that visit, and from baseline to the last visit.

    >>> default_plan([Visit("D-1", -1, baseline=True), Visit("W4", 29), Visit("W8", 57)]).primary
    Family(name='primary', endpoints=('treg', 'th1', 'th17', 'b_cells', 'nk'), visits=('W4',))
    """
    ordered = in_order(visits)
    later = [visit for visit in ordered if not visit.baseline] or list(ordered)
    # Without planned days nothing tells which visit is near week 4: the first one after baseline is as good as any.
    week_4 = min(later, key=lambda visit: 0 if visit.planned_day is None else abs(visit.planned_day - 29)).label
    start = next((visit.label for visit in ordered if visit.baseline), ordered[0].label)
    endpoints = tuple(_default_endpoints())
    windows = (Window("onset", start, week_4), Window("whole", start, later[-1].label))
    primary = Family("primary", tuple(endpoint.name for endpoint in endpoints), (week_4,))
    return AnalysisPlan("default", primary, endpoints, windows=windows)
