"""Override files: decisions of persons on single samples, each with who, when and why."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, Field

from immunomon.cytometry.model.placement import Movable, axis_of
from immunomon.cytometry.specs.gatecall import GateCall, Methods, check_gate, declaration_of
from immunomon.findings import DataPath, Findings
from immunomon.shape import SpecModel, Text, shape
from immunomon.study.model.overrides import Override
from immunomon.study.model.strategy import GatingStrategy
from immunomon.yamlfile import read_yaml

__all__ = ["SCHEMA", "OverrideSpec", "OverridesSpec", "load_overrides"]

SCHEMA = "immunomon.overrides/1"

# Sample -> the strategy it is gated with, None for a control.
Strategies = Mapping[str, GatingStrategy | None]


class OverrideSpec(SpecModel):
    """A decision of a person on one sample."""

    action: Literal["move-gate", "drop-sample", "accept-warning"] = Field(description="What is done.")
    sample: Text = Field(description="The sample's id, as in the tables.")
    population: Text | None = Field(None, description="move-gate: the population whose gate is moved.")
    gate: GateCall | None = Field(None, description="move-gate: where it is put, by a method that declares borders.")
    keep: Text | None = Field(None, description="move-gate: which region of that gate; if it has more than one.")
    check: Text | None = Field(None, description="accept-warning: which quality check; all of them if left out.")
    in_consensus: bool = Field(
        False, description="move-gate: whether the moved border has a say in where the other samples' borders lie."
    )
    reason: Text = Field(description="Why.")
    by: Text = Field(description="Who decided.")
    when: AwareDatetime = Field(description="When, with the time zone: 2026-01-31T14:05:00Z.")


class OverridesSpec(SpecModel):
    """What persons decided on single samples of a study."""

    declared_schema: Literal["immunomon.overrides/1"] = Field(
        alias="schema", description="Format and version of this file."
    )
    overrides: list[OverrideSpec] = Field([], max_length=100_000, description="The decisions.")


def load_overrides(
    path: Path, *, methods: Methods, samples: Strategies, tubes: Mapping[str, Sequence[str]] | None = None
) -> tuple[Override, ...]:
    """Read a file of overrides.

    methods: the registered gate methods by name; samples: which there are, each with the strategy it is gated with.
    tubes: of tubes that several strategies look at, the ids of their samples: what is decided on a tube without its
    gates is decided on each of these. Raises BadSpec with every problem found.

    >>> load_overrides(Path("none/overrides.yaml"), methods={}, samples={})
    Traceback (most recent call last):
        ...
    immunomon.errors.BadSpec: none/overrides.yaml: no such file; check the path
    """
    file = read_yaml(path)
    shaped = shape(file, OverridesSpec)
    overrides: list[Override] = []
    targets: dict[str, int] = {}
    for path_inside, spec in shaped.items("overrides") if shaped else ():
        for override in _of_tube(spec, path_inside, methods, samples, tubes or {}, file.findings):
            if override.target in targets:
                first = f"overrides[{targets[override.target]}]"
                problem = f"the same decision is taken in {first} already: {override.target}"
                file.findings.add(path_inside, problem, "leave one of both; the audit trail keeps what was before")
            targets.setdefault(override.target, int(str(path_inside[-1])))
            overrides.append(override)
    file.findings.raise_any()
    return tuple(overrides)


def _of_tube(
    spec: OverrideSpec,
    path_inside: DataPath,
    methods: Methods,
    samples: Strategies,
    tubes: Mapping[str, Sequence[str]],
    findings: Findings,
) -> list[Override]:
    """Return what a decision means: one override, or one for each strategy that looks at the tube it names."""
    ids = [] if spec.sample in samples else tubes.get(spec.sample, ())
    if ids and spec.action == "move-gate":
        problem = f"several strategies look at '{spec.sample}', and a gate belongs to one of them"
        findings.add((*path_inside, "sample"), problem, f"name one of {', '.join(ids)}")
        return []
    named = [spec.model_copy(update={"sample": name}) for name in ids] or [spec]
    overrides = [_override(decision, path_inside, methods, samples, findings) for decision in named]
    return [override for override in overrides if override is not None]


def _override(
    spec: OverrideSpec, path_inside: DataPath, methods: Methods, samples: Strategies, findings: Findings
) -> Override | None:
    if spec.sample not in samples:
        findings.unknown((*path_inside, "sample"), "sample in the sample list", name=spec.sample, known=list(samples))
        return None
    for name in ("population", "gate", "keep", "in_consensus"):
        if spec.action != "move-gate" and getattr(spec, name):
            findings.add(
                (*path_inside, name), f"'{spec.action}' moves no gate", "remove it, or write 'action: move-gate'"
            )
    if spec.check is not None and spec.action != "accept-warning":
        findings.add((*path_inside, "check"), f"'{spec.action}' accepts no warning", "remove it")
    when = spec.when.astimezone(datetime.UTC)
    plain = Override(spec.action, spec.sample, spec.by, when, spec.reason, check=spec.check or "")
    if spec.action != "move-gate":
        return plain
    return _moved(spec, plain, path_inside, methods, samples[spec.sample], findings)


def _moved(
    spec: OverrideSpec,
    plain: Override,
    path_inside: DataPath,
    methods: Methods,
    strategy: GatingStrategy | None,
    findings: Findings,
) -> Override | None:
    if strategy is None:
        findings.add(
            (*path_inside, "sample"), "a control tube is not gated", "name a sample, or write 'action: drop-sample'"
        )
        return None
    if spec.population is None or spec.gate is None:
        findings.add(
            path_inside, "a gate is moved: its population and its gate are needed", "add 'population:' and 'gate:'"
        )
        return None
    if spec.population not in strategy.ids:
        findings.unknown((*path_inside, "population"), "population", name=spec.population, known=strategy.ids)
        return None
    keep = _region(spec, path_inside, methods, strategy, findings)
    if keep is None:
        return None
    gate = declaration_of(spec.gate)
    if spec.in_consensus and not _can_be_heard(spec, methods, strategy):
        problem = "other samples have no say in this gate, or it has not one border an axis as moved"
        findings.add((*path_inside, "in_consensus"), problem, "leave it out: the decision is about this sample alone")
    return replace(plain, population=spec.population, gate=gate, keep=keep, in_consensus=spec.in_consensus)


def _can_be_heard(spec: OverrideSpec, methods: Methods, strategy: GatingStrategy) -> bool:
    """Say whether a moved gate has the one border that samples agree on, on an axis of the gate that they share."""
    assert spec.population is not None
    assert spec.gate is not None
    shared = strategy.population(spec.population).gate
    method = check_gate({"method": shared.method, **shared.arguments}, (), methods=methods, findings=Findings(""))
    if not shared.consensus or method is None or not isinstance(method, Movable):
        return False
    sides = spec.gate.get("sides") or ([spec.gate] if spec.gate["method"] == "interval" else [])
    single = {side.get("axis") for side in sides if (side.get("low") is None) != (side.get("high") is None)}
    return any(axis_of(method, name) in single for name in method.coordinates)


def _region(
    spec: OverrideSpec, path_inside: DataPath, methods: Methods, strategy: GatingStrategy, findings: Findings
) -> str | None:
    path = (*path_inside, "gate")
    assert spec.gate is not None
    assert spec.population is not None
    method = check_gate(spec.gate, path, methods=methods, findings=findings)
    if method is None:
        return None
    fixed = [name for name, method in methods.items() if not hasattr(method, "at") and not hasattr(method, "fit_with")]
    if spec.gate["method"] not in fixed or method.references:
        known = ", ".join(name for name in fixed if name != "boolean")
        findings.add((*path, "method"), "a person's gate has declared borders", f"use one of {known}")
        return None
    strange = [axis for axis in method.axes if axis not in _axes_of(strategy, methods)]
    if strange:
        # Only what the strategy looks at is computed, so that there are no such values to place a gate on.
        subject = f"axis of strategy '{strategy.name}'"
        findings.unknown(path, subject, name=strange[0], known=_axes_of(strategy, methods))
        return None
    population = strategy.population(spec.population)
    keep = spec.keep or (method.regions[0] if len(method.regions) == 1 else population.keep)
    if keep not in method.regions:
        findings.unknown((*path_inside, "keep"), "region of this gate", name=keep, known=method.regions)
        return None
    return keep


def _axes_of(strategy: GatingStrategy, methods: Methods) -> list[str]:
    """Return the axes that a strategy's gates look at; it was read with these methods, so that they all are known."""
    calls = ({"method": population.gate.method, **population.gate.arguments} for population in strategy)
    made = (check_gate(call, (), methods=methods, findings=Findings("")) for call in calls)
    return list(dict.fromkeys(axis for method in made if method is not None for axis in method.axes))
