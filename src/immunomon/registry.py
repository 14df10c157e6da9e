"""Registries: names in YAML resolve through one of these, never through evaluation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

from immunomon.errors import UnknownName, nearest

__all__ = ["Registry"]

T = TypeVar("T")


class Registry(Mapping[str, T]):
    """Things by name: a duplicate raises, an unknown name suggests the nearest, entry points add others' things.

    >>> shapes: Registry[type] = Registry("shape")
    >>> @shapes.register("square")
    ... class Square: ...
    >>> shapes["sqare"]
    Traceback (most recent call last):
        ...
    immunomon.errors.UnknownName: no shape named 'sqare'; did you mean 'square'?
    """

    def __init__(self, noun: str, *, group: str | None = None) -> None:
        self.noun = noun
        self._group = group
        self._things: dict[str, T] = {}
        self._loaded = group is None

    def register(self, name: str) -> Callable[[T], T]:
        """Return a decorator that files a thing under a name; raises ValueError if the name is taken."""

        def file(thing: T) -> T:
            if name in self._things:
                raise ValueError(f"a {self.noun} named '{name}' is registered already")
            self._things[name] = thing
            return thing

        return file

    def _load(self) -> None:
        if not self._loaded and self._group is not None:
            from importlib.metadata import entry_points

            self._loaded = True
            for point in entry_points(group=self._group):
                self.register(point.name)(point.load())

    def __getitem__(self, name: str) -> T:
        if name not in self:
            raise UnknownName(f"no {self.noun} named '{name}'; {nearest(name, self._things)}")
        return self._things[name]

    def __contains__(self, name: object) -> bool:
        if name not in self._things:  # looking for others' things takes time: not for our own
            self._load()
        return name in self._things

    def __iter__(self) -> Iterator[str]:
        self._load()
        return iter(sorted(self._things))

    def __len__(self) -> int:
        self._load()
        return len(self._things)
