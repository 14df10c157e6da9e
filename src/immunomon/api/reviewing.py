"""Review: the review desk of a run, opened and served to a browser of this computer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from immunomon.errors import ImmunomonError
from immunomon.runs.verdicts import progress_words

if TYPE_CHECKING:
    from immunomon.outputs.review.desk import Desk

__all__ = ["open_desk", "progress_words", "serve_desk"]


def open_desk(
    run: str | Path,
    *,
    study: str | Path | None = None,
    reviewer: str = "",
    blind: bool = False,
    seed: int | None = None,
) -> Desk:
    """Return the review desk of a run: its gates, who decides, and the drafts that were kept.

    reviewer: default this computer's user. blind: dose, visit, subject, files and sample ids hidden, in a random order
    of ``seed``. Raises BadRun, and ImmunomonError without the extra ``review``, before the trail is touched.
    """
    _server()
    from immunomon.outputs import review

    above = None if study is None else Path(study)
    return review.open_desk(Path(run), study=above, reviewer=reviewer, blind=blind, seed=seed)


def serve_desk(desk: Desk, *, port: int = 0, open_browser: bool = True, say: Callable[[str], object] = print) -> None:
    """Serve a desk until it is stopped (Ctrl-C); say: called with its address."""
    _server()(desk, port=port, open_browser=open_browser, say=say)


def _server() -> Callable[..., None]:
    try:
        from immunomon.outputs.review.server import serve
    except ImportError as error:
        raise ImmunomonError('the review desk needs more; install it with: pip install "immunomon[review]"') from error
    return serve
