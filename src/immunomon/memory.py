"""How much memory this process may still take: of the machine, of its container, of its own limit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

__all__ = ["free_memory", "lack_of_memory"]

_CGROUPS = Path("/sys/fs/cgroup")


def free_memory(proc: Path = Path("/proc"), cgroups: Path = _CGROUPS) -> int | None:
    """Return the bytes that this process can still take, None where the system does not tell.

    proc, cgroups: where Linux tells it.

    >>> free_memory(Path("no-such-folder")) is None or free_memory() > 0
    True
    """
    return min(
        (max(0, free) for free in (*_of_machine(proc), *_of_limit(proc), *_of_groups(proc, cgroups))), default=None
    )


def lack_of_memory(needed: int) -> str:
    """Return in words that so many bytes are more than there are; nothing if they are there or nobody knows.

    >>> lack_of_memory(1)
    ''
    """
    free = free_memory()
    if free is None or needed <= free:
        return ""
    return f"it needs {needed / 1e9:,.1f} GB of memory, and {free / 1e9:,.1f} GB are free"


def _of_machine(proc: Path) -> Iterator[int]:
    for line in _lines(proc / "meminfo"):
        name, _, value = line.partition(":")
        if name == "MemAvailable":
            yield int(value.split()[0]) * 1024


def _of_limit(proc: Path) -> Iterator[int]:
    """Yield what is left of the limit on this process's addresses (``ulimit -v``)."""
    try:
        import resource
    except ImportError:  # Windows has none
        return
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    pages = " ".join(_lines(proc / "self" / "statm")).split()
    if limit != resource.RLIM_INFINITY and pages:
        yield limit - int(pages[0]) * resource.getpagesize()


def _of_groups(proc: Path, cgroups: Path) -> Iterator[int]:
    """Yield what is left of the limits of the control groups (version 2) that this process is in, from within out."""
    for line in _lines(proc / "self" / "cgroup"):
        if not line.startswith("0::/"):
            continue
        group = cgroups / line.removeprefix("0::/")
        for folder in (group, *group.parents):
            if not folder.is_relative_to(cgroups):
                break
            limit, used = (" ".join(_lines(folder / name)) for name in ("memory.max", "memory.current"))
            # Pages of files that were read count as used and are given back when they are needed.
            cached = sum(
                int(row.split()[1]) for row in _lines(folder / "memory.stat") if row.startswith("inactive_file ")
            )
            if limit.isdecimal() and used.isdecimal():
                yield int(limit) - int(used) + cached


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
