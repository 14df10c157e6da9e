"""Strategy files: a tree of populations, each with the gate that makes it from its parent."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field

from immunomon.cytometry.specs.gatecall import GateCall, GateName, Methods
from immunomon.cytometry.specs.strategy_meaning import strategy_of
from immunomon.shape import MACHINE_NAME, Name, SpecModel, Text, shape
from immunomon.study.model.panel import Panel
from immunomon.study.model.strategy import GatingStrategy
from immunomon.study.model.study import Study
from immunomon.study.specs.catalog import find_panel, find_strategy
from immunomon.study.specs.panel import load_panel
from immunomon.yamlfile import read_yaml

__all__ = ["ExpectationSpec", "PopulationSpec", "ScaleSpec", "StrategySpec", "load_in_use", "load_strategy"]


def _auto(value: object) -> object:
    return None if value == "auto" else value


def _range(value: object) -> object:
    return {"percent_of_parent": value} if isinstance(value, list) else value


class ScaleSpec(SpecModel):
    """A display scale, with the parameters of Gating-ML 2.0."""

    kind: Literal["logicle", "asinh", "linear", "identity"] = Field(description="The function.")
    t: float | None = Field(
        None, gt=0, le=1e12, description="Top of the scale: the intensity that is drawn at 1; left out: the range."
    )
    w: Annotated[float | None, BeforeValidator(_auto)] = Field(
        None,
        ge=0,
        le=50,
        description="logicle: width of the linear region in decades; left out or auto: from the noise of the panel's "
        "negatives.",
        json_schema_extra={"anyOf": [{"type": "number", "minimum": 0}, {"const": "auto"}]},
    )
    m: float | None = Field(
        None,
        gt=0,
        le=100,
        description="logicle, asinh: number of decades; left out: 4.5, for asinh from the negatives' noise.",
    )
    a: float = Field(0.0, ge=-1e12, le=1e12, description="logicle, asinh: additional negative decades.")


class PopulationSpec(SpecModel):
    """A population: the part of its parent that a gate keeps."""

    id: str = Field(
        pattern=MACHINE_NAME,
        description="Id for machines, the same everywhere: small letters, digits and underscores.",
    )
    label: Text | None = Field(None, description="Name for people; the id if left out.")
    parent: str = Field(description="Id of the population it is a part of; root for all events of the file.")
    gate: GateName = Field(description="The name of a gate in 'gates:', or a gate method with its arguments.")
    keep: str | None = Field(None, description="Which region of the gate; may be left out where the gate has only one.")


Percent = Annotated[float, Field(ge=0, le=100)]


class ExpectationSpec(SpecModel):
    """What a population is expected to be; outside it the value is shown to a person, never changed."""

    percent_of_parent: tuple[Percent, Percent] = Field(description="The least and the most that is expected.")
    possible: tuple[Percent, Percent] = Field(
        (0.0, 100.0), description="The least and the most that can be true; a value outside is withheld."
    )
    source: Text | None = Field(None, description="Who says so: a reference, or whose experience it is.")


class StrategySpec(SpecModel):
    """A gating strategy: how populations are found, on any panel that has the markers for them."""

    stand_ins: ClassVar[Mapping[str, object]] = {"name": "?", "label": "?", "version": 1}

    declared_schema: Literal["immunomon.strategy/1"] = Field(
        alias="schema", description="Format and version of this file."
    )
    name: Name = Field(description="Name of the strategy: the file's name without .yaml.")
    label: Text = Field(description="Name for people.")
    version: int = Field(ge=1, le=1_000_000, description="Raise it with each change of what is gated.")
    panel: Name | None = Field(
        None, description="Name of the panel it was designed for; any panel that has its markers carries it."
    )
    scales: dict[str, ScaleSpec] = Field(
        {},
        max_length=100,
        description="Display scales by marker, detector, or the words fluorescence, scatter, time; what is left out "
        "comes from the files' range and the noise of their negatives.",
    )
    gates: dict[str, GateCall] = Field({}, max_length=200, description="Gates that several populations share, by name.")
    populations: list[PopulationSpec] = Field(
        min_length=1, max_length=500, description="The populations, in any order."
    )
    report: dict[str, list[str]] = Field(
        {},
        max_length=500,
        description="Which populations are reported, and of which denominators besides their parent.",
    )
    beads: str | None = Field(
        None,
        description="Id of the population of counting beads: where samples.csv has beads_added and sample_volume_ul "
        "but no beads_counted, cells a microlitre are worked out from its events.",
    )
    expect: dict[str, Annotated[ExpectationSpec, BeforeValidator(_range)]] = Field(
        {},
        max_length=500,
        description="What populations are expected to be, in percent of their parent: [15, 90], or with its source.",
    )


def load_strategy(path: Path, *, methods: Methods, panel: Panel | None = None) -> GatingStrategy:
    """Read a strategy file; its populations come parents first, and operands before the populations made of them.

    methods: the registered gate methods by name; panel: if given, populations that need a marker which it has not are
    left out, and named so. Raises BadSpec with every problem found, one of which is a panel that can show nothing of
    what the strategy reports.

    >>> load_strategy(Path("gating/none.yaml"), methods={})
    Traceback (most recent call last):
        ...
    immunomon.errors.BadSpec: gating/none.yaml: no such file; check the path
    """
    file = read_yaml(path)
    shaped = shape(file, StrategySpec)
    strategy = None
    if shaped is not None:
        known = _ids(file.data)
        strategy = strategy_of(shaped, known, methods=methods, panel=panel, findings=file.findings)
    file.findings.raise_any()
    assert strategy is not None
    return strategy


def load_in_use(study: Study, *, methods: Methods) -> tuple[dict[str, Panel], dict[str, GatingStrategy]]:
    """Return the panels that a study has in use, and what their strategies find on them, both by the use's name.

    Raises BadSpec with the problems of the first file that has any.
    """
    panels = {use.panel: load_panel(find_panel(use.tube, study.folder)) for use in study.panels}
    strategies = {
        use.panel: load_strategy(find_strategy(use.strategy, study.folder), methods=methods, panel=panels[use.panel])
        for use in study.panels
    }
    return panels, strategies


def _ids(data: dict[str, Any]) -> list[str]:
    """Return the ids of all populations, of those whose shape is wrong as well."""
    items = data.get("populations")
    ids = [item.get("id") for item in items if isinstance(item, dict)] if isinstance(items, list) else []
    return [name for name in ids if isinstance(name, str)]
