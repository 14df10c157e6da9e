"""Arguments of a wrong type end in one sentence where Python's users call, not in a traceback from deep within."""

from __future__ import annotations

import functools
import inspect
import numbers
import os
import types
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from immunomon.errors import WrongArgument

__all__ = ["accepted_types", "checked", "fits"]

Offered = TypeVar("Offered")


# What only type checkers import stands in by its name: no library is imported to look at an argument.
_STAND_INS = {"pd": types.SimpleNamespace(DataFrame=type("DataFrame", (), {})), "Axes": type("Axes", (), {})}
# What is as good as the type that an annotation names: paths of any kind, and NumPy's numbers.
_AS_GOOD = {Path: os.PathLike, int: numbers.Integral, float: numbers.Real, bool: numbers.Integral}
# What is most often given in place of what a function takes, and the remedy.
_REMEDIES: dict[str, tuple[tuple[type, ...], str]] = {
    "gate": ((list, tuple), "for several files: immunomon.gate_files, or a study"),
    "gate_files": ((str, os.PathLike), "for one file: immunomon.gate"),
}


def checked(offered: Offered, name: str) -> Offered:
    """Return a function that looks at its arguments' types before it does anything; a class as it is.

    name: under which immunomon offers it. The signature, the docstring and pickling stay. Calls raise WrongArgument.

    >>> def read(path: str, cells: int | None = None) -> None: ...
    >>> checked(read, "read")(3.5)
    Traceback (most recent call last):
        ...
    immunomon.errors.WrongArgument: immunomon.read: path is 3.5 (float); it takes str
    """
    if not inspect.isfunction(offered):
        return offered
    function: Callable[..., Any] = offered
    signature = inspect.signature(function)

    @functools.wraps(function)
    def look_first(*args: Any, **keywords: Any) -> Any:  # noqa: ANN401 - as the function's own
        try:
            bound = signature.bind(*args, **keywords)
        except TypeError:
            return function(*args, **keywords)  # one too many, or missing: Python's own message says so
        accepted = accepted_types(function)
        for argument, given in bound.arguments.items():
            several = signature.parameters[argument].kind is inspect.Parameter.VAR_POSITIONAL
            for value in given if several else [given]:
                _refuse_misfit(name, argument, value, accepted[argument])
        return function(*args, **keywords)

    look_first.__module__, look_first.__qualname__ = "immunomon", name  # where pickle finds what it was given
    return look_first  # type: ignore[return-value]


@functools.cache
def accepted_types(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the type of each argument; raises NameError for a name that only type checkers import."""
    written = {name: text for name, text in function.__annotations__.items() if name != "return"}
    return get_type_hints(types.SimpleNamespace(__annotations__=written), function.__globals__ | _STAND_INS)


def fits(value: object, accepted: Any) -> bool:  # noqa: ANN401 - an annotation
    """Return whether a value may be of the type; classes are told by name, so that reloaded modules fit, too."""
    origin, parts = get_origin(accepted), get_args(accepted)
    if accepted is Any:
        return True
    if origin in (Union, types.UnionType):
        return any(fits(value, part) for part in parts)
    if origin is Literal:
        return isinstance(value, tuple({type(part) for part in parts}))
    if origin is Callable:
        return callable(value)
    if origin is not None and issubclass(origin, Mapping):
        return hasattr(value, "keys")
    if origin is not None and issubclass(origin, Iterable):
        is_several = hasattr(value, "__iter__") and not isinstance(value, str | bytes)
        looked_at = value if isinstance(value, list | tuple) and origin is not tuple else ()
        return is_several and all(fits(item, parts[0]) for item in looked_at)
    names = {base.__name__ for base in type(value).__mro__}
    return accepted.__name__ in names or isinstance(value, _AS_GOOD.get(accepted, accepted))


def _refuse_misfit(name: str, argument: str, value: object, accepted: Any) -> None:  # noqa: ANN401 - an annotation
    if fits(value, accepted):
        return
    mistaken, remedy = _REMEDIES.get(name, ((), ""))
    given = f"immunomon.{name}: {argument} is {_shown(value)}"
    raise WrongArgument(given, _in_words(accepted), remedy if isinstance(value, mistaken) else "")


def _shown(value: object) -> str:
    kind = type(value).__name__
    if value is None:
        return kind.removesuffix("Type")
    if isinstance(value, list | tuple) and value:
        return f"a {kind} of {' and '.join(dict.fromkeys(type(item).__name__ for item in value))}"
    if not isinstance(value, str | bytes | numbers.Number | os.PathLike):
        return f"of type {kind}"
    text = repr(value)
    return f"{text if len(text) <= 60 else text[:57] + '...'} ({kind})"


def _in_words(accepted: Any) -> str:  # noqa: ANN401 - an annotation
    origin, parts = get_origin(accepted), get_args(accepted)
    if origin in (Union, types.UnionType):
        *first, last = dict.fromkeys(map(_in_words, parts))
        return f"{', '.join(first)} or {last}" if first else last
    if origin is Literal:
        return " or ".join(map(repr, parts))
    if origin is Callable:
        return "a function"
    if origin is not None and issubclass(origin, Mapping):
        return f"a dict of {_in_words(parts[-1])}"
    if origin is not None and issubclass(origin, Iterable):
        return f"a list of {_in_words(parts[0])}"
    return "None" if accepted is type(None) else str(getattr(accepted, "__name__", accepted))
