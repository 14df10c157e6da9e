"""A gate as a strategy calls for it: a registered method with its arguments, checked against the method's own types."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, Any, get_args

from pydantic import BeforeValidator, ConfigDict, TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError

from immunomon.cytometry.model.placement import GateMethod
from immunomon.findings import DataPath, Findings
from immunomon.shape import complaint, place_in
from immunomon.study.model.strategy import Fit, GateDeclaration

__all__ = ["GateCall", "GateName", "Methods", "arguments_of", "check_gate", "declaration_of", "gate_schema"]

Methods = Mapping[str, type[GateMethod]]

# What a gate mapping says about the placement, whatever the method.
_ABOUT_PLACEMENT = {"place_on", "fit", "consensus"}


def _gate_mapping(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise PydanticCustomError("dict_type", "not a mapping")
    if not isinstance(value.get("method"), str):
        raise PydanticCustomError("no_method", "a gate needs 'method: ...', the name of a gate method")
    return value


def _gate_or_name(value: object) -> dict[str, Any] | str:
    return value if isinstance(value, str) else _gate_mapping(value)


GateCall = Annotated[dict[str, Any], BeforeValidator(_gate_mapping)]
GateName = Annotated[dict[str, Any] | str, BeforeValidator(_gate_or_name)]


@lru_cache(maxsize=256)
def _adapter(method: type[GateMethod]) -> TypeAdapter[tuple[GateMethod]]:
    # In a tuple, because only there pydantic lets a configuration reach a plain dataclass.
    alone: Any = tuple.__class_getitem__((method,))
    return TypeAdapter(alone, config=ConfigDict(extra="forbid"))


def arguments_of(call: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a gate mapping hands to its method: all but the method's name and on what the gate is placed.

    >>> arguments_of({"method": "valley", "axis": "CD3", "place_on": "cd4"})
    {'axis': 'CD3'}
    """
    return {key: value for key, value in call.items() if key not in {"method", *_ABOUT_PLACEMENT}}


def declaration_of(call: Mapping[str, Any]) -> GateDeclaration:
    """Return the declaration that a gate mapping makes, once it has been checked.

    >>> declaration_of({"method": "valley", "axis": "CD3", "fit": "batch"}).fit
    'batch'
    """
    about = {key: call[key] for key in _ABOUT_PLACEMENT if call.get(key) is not None}
    return GateDeclaration(str(call["method"]), arguments_of(call), **about)


def check_gate(call: Mapping[str, Any], path: DataPath, *, methods: Methods, findings: Findings) -> GateMethod | None:
    """Return the gate method that a mapping in a strategy calls for; note what is wrong and return None otherwise.

    call: the mapping, with ``method`` and the arguments; path: where it stands in the file.

    >>> findings = Findings("treg.yaml")
    >>> check_gate({"method": "vally", "axis": "CD3"}, ("gates", "cd3"), methods={}, findings=findings)
    >>> print(findings.problems[0])
    treg.yaml: gates.cd3.method: no gate method named 'vally'; none are known
    """
    name = call["method"]
    if name not in methods:
        findings.unknown((*path, "method"), "gate method", name=name, known=list(methods))
        return None
    if not _check_placement(call, path, methods[name], findings):
        return None
    arguments = arguments_of(call)
    if not _check_nested(arguments, path, methods=methods, findings=findings):
        return None
    try:
        made = _adapter(methods[name]).validate_python((arguments,))[0]
        if call.get("fit", "sample") != "sample" and getattr(made, "roles", ()):
            findings.add((*path, "fit"), "control tubes belong to single samples", "use 'consensus: true' instead")
        return made
    except ValidationError as error:
        for detail in error.errors(include_url=False)[:50]:
            detail["loc"] = detail["loc"][1:]
            findings.add((*path, *place_in(call, detail)), *complaint(detail, methods[name]))
    except (ValueError, TypeError, ArithmeticError) as error:  # a method's own check of its arguments
        findings.add(path, f"'{name}' cannot take these arguments: {error}", "correct them")
    return None


def _check_nested(arguments: Mapping[str, Any], path: DataPath, *, methods: Methods, findings: Findings) -> bool:
    """Check the gates among a gate's arguments, each at its own place in the file."""
    before = len(findings.problems)
    for key, value in arguments.items():
        items = enumerate(value) if isinstance(value, list) else [("", value)]
        for step, item in items:
            if isinstance(item, dict) and isinstance(item.get("method"), str):
                where = (*path, key) if step == "" else (*path, key, step)
                for word in sorted(_ABOUT_PLACEMENT & set(item)):
                    findings.add((*where, word), "stands only on the outer gate", f"move '{word}:' there")
                check_gate(item, where, methods=methods, findings=findings)
    return len(findings.problems) == before


def _check_placement(call: Mapping[str, Any], path: DataPath, method: type[GateMethod], findings: Findings) -> bool:
    before = len(findings.problems)
    if not isinstance(call.get("place_on", ""), str):
        findings.add((*path, "place_on"), "not a population's id", "write the id of one population")
    fit, consensus = call.get("fit", "sample"), call.get("consensus", False)
    if fit not in get_args(Fit):
        findings.unknown((*path, "fit"), "set of samples to place a gate on", name=str(fit), known=get_args(Fit))
    if not isinstance(consensus, bool):
        findings.add((*path, "consensus"), "not true or false", "write true or false")
    elif (consensus or fit != "sample") and not hasattr(method, "at"):
        key = "consensus" if consensus else "fit"
        findings.add((*path, key), f"a gate of this method lies where it was declared: '{call['method']}'", "remove it")
    elif consensus and fit != "sample":
        findings.add((*path, "consensus"), f"each sample has the same gate with 'fit: {fit}'", "leave one of both out")
    return len(findings.problems) == before


def gate_schema(name: str, method: type[GateMethod]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the JSON Schema of a gate by one method, and the definitions it refers to."""
    whole = _adapter(method).json_schema()
    definitions = dict(whole.get("$defs", {}))
    schema = dict(whole["prefixItems"][0])
    if "$ref" in schema:
        schema = dict(definitions.pop(schema["$ref"].rpartition("/")[2]))
    words = inspect.cleandoc(method.__doc__ or "").partition("\n>>>")[0].strip()
    properties = {
        "method": {"const": name, "description": "The gate method."},
        "place_on": {"type": "string", "description": _ARGUMENTS["place_on"]},
        **(_SHARED if hasattr(method, "at") else {}),
        **_described(schema["properties"], words),
    }
    definitions = {
        key: {**definition, "properties": _described(definition["properties"], "")}
        for key, definition in definitions.items()
    }
    schema |= {
        "title": name,
        "description": words,
        "properties": properties,
        "required": ["method", *schema.get("required", [])],
        "additionalProperties": False,
    }
    return schema, definitions


def _described(properties: Mapping[str, Any], otherwise: str) -> dict[str, Any]:
    return {key: {"description": _ARGUMENTS.get(key, otherwise), **value} for key, value in properties.items()}


_SHARED = {
    "fit": {
        "enum": list(get_args(Fit)),
        "default": "sample",
        "description": "On whose events it is placed: each sample's own, all of a subject's or a batch's, the "
        "subject's baseline sample's, or all samples' of the panel (cohort).",
    },
    "consensus": {
        "type": "boolean",
        "default": False,
        "description": "Each sample's placement is an estimate, drawn to what its subject's and batch's others say.",
    },
}
_ARGUMENTS = {
    "place_on": "Population on whose events the gate is placed, where that is not the parent.",
    "axis": "Marker, detector or scatter channel.",
    "x": "Marker, detector or scatter channel across.",
    "y": "Marker, detector or scatter channel upwards.",
    "low": "Lower border; it belongs to the gate. Open if left out.",
    "high": "Upper border; it does not belong to the gate. Open if left out.",
    "units": "What borders are given in: intensity (after compensation) or display coordinates.",
    "sides": "The sides of the rectangle, each with an axis and its borders.",
    "vertices": "The corners: [[x, y], [x, y], [x, y], ...].",
    "center": "The centre: [x, y].",
    "covariance": "The covariance matrix: [[xx, xy], [xy, yy]].",
    "distance_square": "The square of the Mahalanobis distance of the border.",
    "operator": "and: in all of the populations; or: in any; not: in none.",
    "of": "Ids of the populations it is made of.",
    "area": "Area channel.",
    "height": "Height channel.",
    "x_threshold": "Border across; placed in the valley of the data if left out.",
    "y_threshold": "Border upwards; placed in the valley of the data if left out.",
    "min_events": "Fewer events than these in the parent are not enough to place the gate.",
    "fallback": "Threshold where no valley is found: {above_negative: SPREADS}; without it, no population.",
    "x_fallback": "Threshold across where no valley is found: {above_negative: SPREADS}.",
    "y_fallback": "Threshold upwards where no valley is found: {above_negative: SPREADS}.",
    "fallback_offset": "Offset where no valley is found: {above_peak: SPREADS}.",
    "slope": "Slope of the border on the display scale.",
    "which": "Which valley: the deepest, the first (between the two lowest modes) or the last.",
    "x_by": "A gate with one threshold on this axis that places the border across.",
    "y_by": "A gate with one threshold on this axis that places the border upwards.",
    "x_which": "Which valley across: deepest, first or last.",
    "y_which": "Which valley upwards: deepest, first or last.",
    "first": "The axis whose threshold divides all events; the other is placed apart on either side of it.",
    "bandwidth": "How much the density is smoothed, on the display scale.",
    "min_persistence": "How many standard errors a mode must stand out.",
    "below": "Robust standard deviations that belong to the band below its middle.",
    "above": "Robust standard deviations that belong to the band above its middle.",
    "evidence": "The markers that tell which cloud is meant: positive ones, and those that its cells never have.",
    "positive": "Markers that cells of the cloud have.",
    "exclude": "Markers that cells of the cloud never have.",
    "share": "How much of the gate is positive at least, where all is well.",
    "mass_above": "How much of the cloud a gate would hold that reached as far everywhere as this one does above.",
}
