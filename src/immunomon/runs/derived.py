"""What other commands made of a run, and whether it is of the run, the study and the other results as they are now."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from immunomon.errors import ImmunomonError
from immunomon.files import file_digest, is_there, read_input
from immunomon.runs.audit import AuditTrail
from immunomon.runs.audit_inputs import digests_beside
from immunomon.runs.folder import RunFolder

__all__ = ["Derived", "made_of_run"]


@dataclass(frozen=True)
class Derived:
    """Something that was made of a run: what, the command that makes it anew, and why it should be; none: it need not.

    key: the command's own name, by which others rest on it. panel: that it is of, '' if it is of all.
    """

    what: str
    key: str
    command: str
    reasons: tuple[str, ...] = ()
    panel: str = ""


@dataclass(frozen=True)
class _State:
    """A run as it is now: its folder, the digests that others know it by, and its study's folder, if it is at hand."""

    root: Path
    digests: frozenset[str]
    study: Path | None

    def json(self, name: str) -> dict[str, Any]:
        return RunFolder(self.root).read_json(self.root / name) or {}

    def digest(self, name: str) -> str | None:
        """Return the digest of a file in the run folder, None if it cannot be read."""
        return _digest(self.root / name)

    def names(self, pattern: str) -> list[str]:
        return sorted(path.relative_to(self.root).as_posix() for path in self.root.glob(pattern))


# A record in the run folder (a pattern), the command whose it is, what it made, and its command line.
_MADE = (
    ("assessments/assessments.json", "assess", "other assessments", "immunomon assess {run}"),
    ("statistics/analysis.json", "compare", "comparison", "immunomon compare {run}"),
    ("mechanism/mechanism.json", "mechanism", "mechanism", "immunomon mechanism {run}"),
    ("normalisation.json", "normalise", "normalised values", "immunomon normalise {run}"),
    ("clusters/*/clusters.json", "cluster", "clusters of {panel}", "immunomon cluster {run} --panel {panel}"),
    ("atlas/*.json", "embed", "atlas of {panel}", "immunomon embed {run} --panel {panel} --refit"),
    ("atlas/*.projected.json", "project", "projected cells of {panel}", "immunomon project {run} --panel {panel}"),
    ("atlas/*.html", "explore", "page of the atlas of {panel}", "immunomon explore {run} --panel {panel}"),
    (
        "atlas/*.projected.html",
        "explore --projected",
        "page of the projected cells of {panel}",
        "immunomon explore {run} --panel {panel} --projected",
    ),
    (
        "anndata/*.h5ad",
        "anndata",
        "cells of {panel} as AnnData",
        "immunomon export {run} --as anndata --panel {panel} --overwrite",
    ),
    ("verification.json", "verify", "verification", "immunomon verify {run}"),
    ("report.html", "report", "report", "immunomon report {run}"),
)
# What rests on what: made anew in this order.
_RESTS_ON = {
    "mechanism": ("assess",),
    "project": ("embed",),
    "explore": ("embed", "cluster"),
    "explore --projected": ("project", "cluster"),
    "anndata": ("cluster", "embed"),
    "report": ("assess", "compare", "mechanism"),
}
_ANOTHER = "it is of another state of the run"


def made_of_run(
    root: Path, record: Mapping[str, Any], record_sha256: str, *, study: Path | None
) -> tuple[Derived, ...]:
    """Return what other commands made of a run, in the order in which to make it anew, each with why it should be.

    record: of ``run.json``, with the digest of its bytes; study: the study's folder, None if it is not at hand.
    Exports and deliveries are known from the run's audit trail.
    """
    state = _State(root, frozenset((str(record.get("digest")), record_sha256)), study)
    made: list[Derived] = []
    for pattern, key, what, command in _MADE:
        for name in state.names(pattern):
            if ".projected." in name and ".projected." not in pattern:
                continue
            panel = _panel(name) if "{panel}" in what else ""
            words = {"run": root, "panel": panel}
            reasons = (*_READERS.get(key, _of_json)(state, name), *_resting(key, panel, made))
            made.append(Derived(what.format(**words), key, command.format(**words), reasons, panel))
    return (*made, *_left(state))


def _panel(name: str) -> str:
    """Return the panel that a file of clusters, an atlas or cells is of: the name of its folder or its own."""
    folder, _, file = name.rpartition("/")
    return folder.rpartition("/")[2] if "/" in folder else file.partition(".")[0]


def _resting(key: str, panel: str, made: Sequence[Derived]) -> Iterator[str]:
    for other in made:
        if other.key in _RESTS_ON.get(key, ()) and other.reasons and other.panel in ("", panel):
            yield f"it rests on what is stale itself: {other.what}"


def _of_json(state: _State, name: str) -> Iterator[str]:
    """Yield why what a JSON record is of is not of the run, its study and its other results as they are now."""
    record = state.json(name)
    if not record:
        yield f"its record {name} cannot be read"
    elif record.get("run_digest") not in (None, *state.digests):
        yield _ANOTHER
    yield from _read(state, {**(record.get("read") or {})})


def _read(state: _State, digests: Mapping[str, Any]) -> Iterator[str]:
    """Yield which files of the study, read for it, are others now."""
    for name, digest in digests.items():
        if state.study is not None and not name.startswith("shipped:") and _digest(state.study / name) != digest:
            yield f"{name} was changed since" if is_there(state.study / name) else f"{name} is gone"


def _of_assess(state: _State, name: str) -> Iterator[str]:
    yield from _of_json(state, name)
    known = {Path(path).name for path in state.json(name).get("inputs") or {}}
    if state.study is not None:
        yield from (f"{path} was added" for path in digests_beside(state.study) if Path(path).name not in known)


def _of_compare(state: _State, name: str) -> Iterator[str]:
    yield from _of_json(state, name)
    record = state.json(name)
    if state.study is not None and (record.get("plan") or {}).get("source") == "default":
        yield from (["analysis.yaml was added"] if is_there(state.study / "analysis.yaml") else [])


def _of_mechanism(state: _State, name: str) -> Iterator[str]:
    yield from _of_json(state, name)
    read = state.json(name).get("assessments") or {}
    if any(state.digest(f"assessments/{table}.parquet") != digest for table, digest in read.items()):
        yield "the other assessments were made anew since"


def _of_atlas(state: _State, name: str) -> Iterator[str]:
    yield from _of_json(state, name)
    used = state.json(name).get("clusters_sha256")
    if used is not None and used != state.json(f"clusters/{_panel(name)}/clusters.json").get("map_sha256"):
        yield "the clusters that its cells were thinned by are others now"


def _of_projection(state: _State, name: str) -> Iterator[str]:
    yield from _of_json(state, name)
    used = (state.json(name).get("atlas") or {}).get("digest")
    own = state.json(f"atlas/{_panel(name)}.json").get("digest")
    if own is not None and used != own:
        yield "the atlas is another now"


def _of_cells(state: _State, name: str) -> Iterator[str]:
    import h5py

    try:
        with h5py.File(state.root / name) as file:
            digest = file["uns/immunomon/run_digest"][()].decode("utf-8")
    except (OSError, KeyError, AttributeError, ValueError):
        yield "it cannot be read"
        return
    yield from ([_ANOTHER] if digest not in state.digests else [])


# What a report shows of other commands' results, each named in the page by the digest of its file.
_IN_REPORT = ("statistics/analysis.json", "assessments/pages.json", "mechanism/pages.json")


def _of_report(state: _State, name: str) -> Iterator[str]:
    try:
        page = read_input(state.root / name).decode("utf-8", errors="replace")
    except OSError:
        yield "it cannot be read"
        return
    if not any(digest in page for digest in state.digests):
        yield _ANOTHER
    for shown in _IN_REPORT:
        digest = state.digest(shown)
        if digest is not None and digest not in page:
            yield f"it does not show {Path(shown).parent.name} as it is now"


def _of_explorer(state: _State, name: str, projection_sha256: str | None = None) -> Iterator[str]:
    """Yield why a page of an atlas is not of what is there now; it ends with the digests that it was made of.

    projection_sha256: of the record of the projected cells that it shows, None if it shows the atlas' own.
    """
    panel = _panel(name)
    try:
        made_of = read_input(state.root / name)[-1000:].decode("utf-8", errors="replace").partition("made of ")[2]
    except OSError:
        yield "it cannot be read"
        return
    if not any(digest in made_of for digest in state.digests):
        yield _ANOTHER
    elif str(state.json(f"atlas/{panel}.json").get("digest")) not in made_of:
        yield "the atlas is another now"
    elif projection_sha256 is not None and projection_sha256 not in made_of:
        yield "other cells were projected since"
    clusters = state.json(f"clusters/{panel}/clusters.json")
    if clusters.get("run_digest") in state.digests and str(clusters.get("map_sha256")) not in made_of:
        yield "it does not show the clusters as they are now"


def _of_projected_explorer(state: _State, name: str) -> Iterator[str]:
    yield from _of_explorer(state, name, str(state.digest(name.removesuffix(".html") + ".json")))


_READERS: Mapping[str, Callable[[_State, str], Iterator[str]]] = {
    "assess": _of_assess,
    "compare": _of_compare,
    "mechanism": _of_mechanism,
    "embed": _of_atlas,
    "project": _of_projection,
    "explore": _of_explorer,
    "explore --projected": _of_projected_explorer,
    "anndata": _of_cells,
    "report": _of_report,
}


def _left(state: _State) -> Iterator[Derived]:
    """Yield what left the run, by its trail: exports, deliveries and gates, the last of each kind."""
    try:
        entries = AuditTrail(state.root).entries()
    except ImmunomonError:  # for the audit to name
        return
    digest, last = "", {}
    for entry in entries:
        action = str(entry.get("action"))
        if action == "run":
            digest = str(entry.get("digest"))
        elif action in ("export", "deliver", "export gates"):
            last[action, str(entry.get("target")).partition(",")[0]] = digest
    for (action, target), of in last.items():
        reasons = (_ANOTHER,) if of not in state.digests else ()
        yield Derived(*_named(action, target, state.root), reasons)


def _named(action: str, target: str, root: Path) -> tuple[str, str, str]:
    if action == "deliver":
        kind = target.removeprefix("delivery ")
        command = f"immunomon deliver {root} --as {kind} --out NEW --previous LAST"
        return f"delivery as {kind}", action, command
    if action == "export gates":
        return f"gates as {target}", action, f"immunomon export-gates {root} --as {target}"
    return f"export to {target}", action, f"immunomon export {root} --to {target}"


def _digest(path: Path) -> str | None:
    try:
        return file_digest(path)
    except OSError:
        return None
