"""Write the present form of the tables as that of the newest revision; for a maintainer who changes the tables.

    python -m immunomon.outputs.database.freeze

A revision that was released is never written anew: first add a file to migrations/versions that has the next number
and brings the form before into the new one.
"""

from __future__ import annotations

import sys
from pathlib import Path

from immunomon.files import write_whole
from immunomon.outputs.database.forms import form_of, written
from immunomon.outputs.database.schema import HEAD, metadata

__all__ = ["freeze"]


def freeze(folder: Path) -> Path:
    """Write the form of the present tables into a folder and return the file."""
    path = folder / f"{HEAD}.json"
    write_whole(path, written(form_of(metadata)))
    return path


if __name__ == "__main__":
    sys.stdout.write(f"{freeze(Path(__file__).parent / 'migrations' / 'forms')}\n")
