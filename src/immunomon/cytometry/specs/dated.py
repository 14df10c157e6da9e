"""What strategies of before say in one cytometer's numbers: still read, and what to write instead."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from immunomon.cytometry.kernels.scales import widest_peak
from immunomon.findings import DataPath
from immunomon.yamlfile import YamlFile, read_yaml

__all__ = ["dated_lines"]

_PLACES = {
    "valley": ("fallback", "low", "high"),
    "tail": ("low", "high"),
    "quadrants": ("x_fallback", "y_fallback"),
}
# Of the noise that it was made for, a scale bears so much (cytometry.kernels.scales.logicle_width).
_MARGIN = 2.5


def dated_lines(path: Path) -> list[str]:
    """Return a line for each number of one cytometer in a strategy file, with what to write instead.

    Tops and widths of scales, fallbacks and limits that are intensities, offsets of one pair of scales, absolute places
    in the scatter plane. How many spreads of the negatives an intensity was is told from the scale that it stands
    beside. Raises BadSpec if the file is no YAML.
    """
    file = read_yaml(path)
    return [f"{path} line {file.line_of(path_inside) or 1}: {text}" for path_inside, text in _found(file)]


def _found(file: YamlFile) -> Iterator[tuple[DataPath, str]]:
    data = file.data if isinstance(file.data, Mapping) else {}
    scales = _mapping(data.get("scales"))
    for name, scale in scales.items():
        parameters = [word for word in ("t", "w") if isinstance(_mapping(scale).get(word), int | float)]
        if parameters and _mapping(scale).get("kind") == "logicle":
            values = ", ".join(f"{word}: {scale[word]:g}" for word in parameters)
            rest = ", ".join(f"{key}: {value}" for key, value in scale.items() if key not in parameters)
            yield (
                ("scales", name, parameters[0]),
                f"'{values}' is of one cytometer; without it the files say it: write '{name}: {{{rest}}}'",
            )
    for path, call in _gates(data):
        yield from _in_gate(path, call, scales)


def _gates(data: Mapping[str, Any]) -> Iterator[tuple[DataPath, Mapping[str, Any]]]:
    for name, call in _mapping(data.get("gates")).items():
        yield from _nested(("gates", name), call)
    populations = data.get("populations")
    for index, population in enumerate(populations if isinstance(populations, list) else []):
        yield from _nested(("populations", index, "gate"), _mapping(population).get("gate"))


def _nested(path: DataPath, call: object) -> Iterator[tuple[DataPath, Mapping[str, Any]]]:
    if isinstance(call, list):
        for index, item in enumerate(call):
            yield from _nested((*path, index), item)
    elif isinstance(call, Mapping) and isinstance(call.get("method"), str):
        yield path, call
        for key, value in call.items():
            yield from _nested((*path, key), value)


def _in_gate(path: DataPath, call: Mapping[str, Any], scales: Mapping[str, Any]) -> Iterator[tuple[DataPath, str]]:
    for key in _PLACES.get(call["method"], ()):
        value = call.get(key)
        if isinstance(value, int | float) and not isinstance(value, bool):
            spreads = _spreads(float(value), str(call.get("axis") or call.get(key[0], "")), scales)
            problem = f"'{key}: {value:g}' is an intensity of one cytometer"
            yield (*path, key), f"{problem}; write '{key}: {{above_negative: {spreads:g}}}'"
    if call["method"] == "diagonal" and isinstance(call.get("fallback_offset"), int | float):
        problem = f"'fallback_offset: {call['fallback_offset']:g}' holds for one pair of scales"
        yield (*path, "fallback_offset"), f"{problem}; write 'fallback_offset: {{above_peak: 4}}'"
    if call["method"] == "mixture" and call.get("near") is not None:
        problem = "'near' is where one cytometer had its lymphocytes"
        instead = "gate: {method: cloud, x: FSC-A, y: SSC-A, evidence: {positive: [CD3]}}"
        yield (*path, "near"), f"{problem}; write '{instead}', with the panel's own markers"


def _spreads(intensity: float, axis: str, scales: Mapping[str, Any]) -> float:
    """Return how many spreads of the negatives an intensity is, by the noise that its scale was made for."""
    scale = _mapping(scales.get(axis) or scales.get("fluorescence"))
    numbers = [scale.get(name, default) for name, default in (("t", 262144.0), ("w", 0.7), ("m", 4.5))]
    t, w, m = (float(value) if isinstance(value, int | float) else 0.0 for value in numbers)
    try:
        noise = widest_peak(t, w, m) / _MARGIN
    except (ValueError, ArithmeticError):
        return 10.0
    return float(f"{intensity / noise:.2g}")


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
