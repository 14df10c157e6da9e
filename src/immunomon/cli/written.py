"""How commands write what they found: tables as Parquet and CSV, records as JSON, each file whole or not at all."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from immunomon.pipeline.folder import write_whole

__all__ = ["write_json", "write_table"]


def write_table(folder: Path, name: str, table: pd.DataFrame) -> None:
    """Write a table as ``name.parquet`` and ``name.csv``; the same table gives the same bytes."""
    buffer = io.BytesIO()
    table.to_parquet(buffer, index=False)
    write_whole(folder / f"{name}.parquet", buffer.getvalue())
    write_whole(folder / f"{name}.csv", table.to_csv(index=False, lineterminator="\n").encode("utf-8"))


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a record as JSON that a person can read."""
    write_whole(path, (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode("utf-8"))
