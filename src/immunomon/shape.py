"""The shape of a spec: pydantic says what does not fit, and this says it in plain English, with line and remedy.

What is well shaped is kept, so that its meaning is checked even when something else in the file is not.
"""

from __future__ import annotations

import copy
import dataclasses
import datetime
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Generic, TypeVar, cast, get_args, get_type_hints

from pydantic import BaseModel, BeforeValidator, ConfigDict, StringConstraints, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from immunomon.csvfile import BadCell, date_in
from immunomon.errors import nearest
from immunomon.findings import DataPath, shown
from immunomon.yamlfile import YamlFile

__all__ = [
    "BLANK",
    "MACHINE_NAME",
    "IsoDate",
    "Name",
    "Shaped",
    "SpecModel",
    "Text",
    "complaint",
    "noun_of",
    "place_in",
    "shape",
]

M = TypeVar("M", bound=BaseModel)
N = TypeVar("N")
_MOST_ERRORS = 250
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")

BLANK = "?"  # what stands for a value that was left to a person to fill in
MACHINE_NAME = r"^[a-z][a-z0-9_]{0,59}$"
_PRINTED = r"^[^\x00-\x1f\x7f]*$"

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=_PRINTED)]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=60, pattern=_PRINTED)]


def _iso_date(value: object) -> datetime.date:
    try:
        if isinstance(value, str) and _DATE.fullmatch(value):
            return datetime.date.fromisoformat(value)
    except ValueError:
        pass  # such as 30 February: the same complaint
    raise PydanticCustomError("iso_date", "not an ISO date")


IsoDate = Annotated[datetime.date, BeforeValidator(_iso_date)]


class SpecModel(BaseModel):
    """A mapping in a spec: frozen, without keys of its own invention, without infinities.

    stand_ins: what takes the place of a value that is wrong or missing, so that the rest can be checked.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    stand_ins: ClassVar[Mapping[str, object]] = {}


def noun_of(noun: Callable[..., N], spec: BaseModel, **given: object) -> N:
    """Return the frozen noun that a section of a file declares: each field is the spec's of its name.

    Lists become tuples. given: fields that the spec has not, or not so; what neither has keeps the noun's default.

    >>> @dataclasses.dataclass(frozen=True)
    ... class Window:
    ...     days: tuple[int, ...]
    ...     label: str = ""
    >>> class WindowSpec(SpecModel):
    ...     days: list[int]
    >>> noun_of(Window, WindowSpec(days=[1, 28]), label="first month")
    Window(days=(1, 28), label='first month')
    """
    names = {field.name for field in dataclasses.fields(cast("Any", noun))} & type(spec).model_fields.keys()
    values = {name: getattr(spec, name) for name in names - given.keys()}
    return noun(**{name: tuple(v) if isinstance(v, list) else v for name, v in values.items()}, **given)


@dataclasses.dataclass(frozen=True)
class Shaped(Generic[M]):
    """The part of a file that has its shape, where it stood, and the sections that something was dropped from."""

    spec: M
    dropped: frozenset[str] = frozenset()
    places: Mapping[str, Sequence[int]] = dataclasses.field(default_factory=dict)

    def items(self, section: str) -> Iterator[tuple[DataPath, Any]]:
        """Yield the items of a list in the spec with their places in the file."""
        items = getattr(self.spec, section)
        places = self.places.get(section, range(len(items)))
        yield from (((section, place), item) for place, item in zip(places, items, strict=True))


def shape(file: YamlFile, model: type[M]) -> Shaped[M] | None:
    """Return what of a file fits a model, noting in the file's findings what does not; None if too little is left."""
    data = file.data
    if not isinstance(data, dict):
        file.findings.add((), f"should be a mapping of keys to values, not {shown(data)}", "see docs/file-formats.md")
        return None
    blanks = [_blank_at(place) for place in _blanks(data)]
    errors: list[ErrorDetails] = []
    try:
        spec = model.model_validate(data)
        if not blanks:
            return Shaped(spec, places=_places(data, {}))
    except ValidationError as error:
        left_blank = {blank["loc"] for blank in blanks}
        errors = [one for one in error.errors(include_url=False) if place_in(data, one) not in left_blank]
    errors += blanks
    for one in errors[:_MOST_ERRORS]:
        where = place_in(data, one)
        file.findings.add(where, *complaint(one, model, file.texts.get(where)))
    if len(errors) > _MOST_ERRORS:
        return None
    kept, dropped, gone = _without(data, errors)
    stand_ins = getattr(model, "stand_ins", {})
    kept |= {key: value for key, value in stand_ins.items() if key not in kept}
    try:
        spec = model.model_validate(kept)
    except ValidationError:
        return None
    return Shaped(spec, frozenset(dropped), _places({key: data[key] for key in kept if key in data}, gone))


def _blanks(data: Any, path: DataPath = ()) -> Iterator[DataPath]:  # noqa: ANN401 - whatever the file holds
    """Yield where a value is left to a person."""
    if data == BLANK:
        yield path
    elif isinstance(data, dict | list):
        for step, item in data.items() if isinstance(data, dict) else enumerate(data):
            yield from _blanks(item, (*path, step))


def _blank_at(place: DataPath) -> ErrorDetails:
    return {"type": "left_blank", "loc": place, "msg": "", "input": BLANK}


def _places(data: Mapping[str, Any], gone: Mapping[str, set[Any]]) -> dict[str, list[int]]:
    return {
        section: [place for place in range(len(items)) if place not in gone.get(section, set())]
        for section, items in data.items()
        if isinstance(items, list)
    }


def place_in(data: Any, error: ErrorDetails) -> DataPath:  # noqa: ANN401 - whatever the file holds
    """Return an error's place in the data, without the names of alternatives that pydantic puts in between."""
    path: list[str | int] = []
    for step in error["loc"]:
        inside = isinstance(data, list) and isinstance(step, int) and step < len(data)
        if inside or (isinstance(data, dict) and step in data):
            path.append(step)
            data = data[step]
    if error["type"] in {"missing", "missing_argument"}:
        path.append(error["loc"][-1])
    return tuple(path)


def _without(
    data: dict[str, Any], errors: Sequence[ErrorDetails]
) -> tuple[dict[str, Any], set[str], dict[str, set[Any]]]:
    """Return the data without what is wrong: unknown keys by themselves, other errors with their list item or entry."""
    kept = copy.deepcopy(data)
    gone: dict[str, set[Any]] = {}
    dropped: set[str] = set()
    for error in errors:
        where = place_in(data, error)
        if error["type"] == "extra_forbidden":
            holder: Any = kept
            for step in where[:-1]:
                holder = holder[step]
            holder.pop(where[-1], None)
        elif where:
            dropped.add(str(where[0]))
            if len(where) > 1:
                gone.setdefault(str(where[0]), set()).add(where[1])
            else:
                kept.pop(str(where[0]), None)
    for section, items in gone.items():
        content = kept.get(section)
        if isinstance(content, list):
            kept[section] = [item for place, item in enumerate(content) if place not in items]
        elif isinstance(content, dict):
            kept[section] = {key: item for key, item in content.items() if key not in items}
    return kept, dropped, gone


def complaint(error: ErrorDetails, model: type | None = None, text: str | None = None) -> tuple[str, str]:
    """Return what is wrong and the remedy, in plain English, for one of pydantic's errors.

    model: where the error's path starts, for the nearest known key; text: the value as it is written in the file.
    """
    kind, value, context = error["type"], error.get("input"), error.get("ctx", {})
    as_written = shown(value) if text is None else text
    if kind == "left_blank":
        return "is left blank ('?')", "fill it in; the comment there says what is known"
    if kind in {"missing", "missing_argument"}:
        last = error["loc"][-1]
        return "is missing", "write one more item" if isinstance(last, int) else f"add '{last}: ...'"
    if kind in {"extra_forbidden", "unexpected_keyword_argument"}:
        known = _fields(_model_at(model, error["loc"][:-1]))
        return "no such key here", nearest(str(error["loc"][-1])[:80], known) if known else "remove it"
    if kind == "string_type":
        quoted = f"write it in quotes: '{as_written}'" if text else "write text"
        return f"should be text, not {as_written}", quoted
    if kind in {"literal_error", "enum"}:
        return f"{as_written} is not one of {context['expected']}", "write one of them"
    if kind == "iso_date":
        try:
            date_in(str(value))
        except BadCell as refusal:
            return refusal.what, refusal.remedy
        return f"{as_written} is not a date", "write it as year-month-day, such as 2025-01-31"
    if kind == "string_too_short" and not str(value).strip():
        return "is empty", "write something"
    wanted = _wanted(kind, context)
    if wanted:
        return f"should be {wanted}, not {as_written}", "correct the value"
    return error["msg"].removeprefix("Value error, "), "correct the value"


_KINDS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "list": "a list [...]",
    "tuple": "a list [...]",
    "set": "a list [...]",
    "frozen": "a list [...]",
    "dict": "a mapping {key: value}",
    "mapping": "a mapping {key: value}",
    "model": "a mapping {key: value}",
    "dataclass": "a mapping {key: value}",
    "finite": "a finite number",
}


def _wanted(kind: str, context: Mapping[str, Any]) -> str:
    if kind in {"greater_than", "greater_than_equal", "less_than", "less_than_equal"}:
        words = kind.replace("_than_equal", "_than_or_equal_to").replace("_", " ")
        return f"{words} {next(iter(context.values()))}"
    if kind == "string_pattern_mismatch":
        if context["pattern"] == _PRINTED:
            return "on one line, without control characters"
        if context["pattern"] == MACHINE_NAME:
            return "small letters, digits and underscores, a letter first"
        return f"text of the form {context['pattern']}"
    if kind in {"string_too_short", "string_too_long"}:
        return f"text of {'at least' if 'min_length' in context else 'at most'} {next(iter(context.values()))} letters"
    if kind in {"too_short", "too_long"}:
        least = "min_length" in context
        return f"of {'at least' if least else 'at most'} {context['min_length' if least else 'max_length']} items"
    return _KINDS.get(kind.split("_", 1)[0], "")


def _fields(model: type | None) -> dict[str, Any]:
    """Return the keys a mapping may have, with their types, of a pydantic model or a dataclass."""
    if model is None:
        return {}
    if issubclass(model, BaseModel):
        return {info.alias or name: info.annotation for name, info in model.model_fields.items()}
    hints = get_type_hints(model)
    return {one.name: hints[one.name] for one in dataclasses.fields(cast("Any", model)) if one.init}


def _model_at(model: type | None, path: Sequence[str | int]) -> type | None:
    """Return the model that describes the mapping at a path."""
    for step in path:
        known = _fields(model)
        if step in known:
            model = _model_in(known[str(step)])
    return model


def _model_in(annotation: Any) -> type | None:  # noqa: ANN401 - a type as it was written
    if isinstance(annotation, type) and (issubclass(annotation, BaseModel) or dataclasses.is_dataclass(annotation)):
        return annotation
    found = (_model_in(inner) for inner in get_args(annotation))
    return next((model for model in found if model is not None), None)
