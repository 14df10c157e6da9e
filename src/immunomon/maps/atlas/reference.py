"""Reference: an atlas as it is kept and carried to later runs: one file of plain arrays, checked before it is used."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from immunomon.arrays import Floats, Floats32, Ints
from immunomon.errors import BadAtlas
from immunomon.files import write_whole
from immunomon.runs.provenance import digest_of

__all__ = ["ATLAS_FORMAT", "Reference", "load_reference", "save_reference"]

ATLAS_FORMAT = "immunomon.atlas/2"
MOST_CELLS, MOST_MARKERS = 2_000_000, 100
_MOST_RECORD = 16_000_000
_RECORD = "record"
_SUFFIX = ".atlas.npz"


@dataclass(frozen=True, eq=False)
class Reference:
    """The cells that an atlas was fitted on, row by row, and its record.

    scaled: (cells, markers); positions: (cells, 2); weights, cluster, event, score: (cells,); sample: (cells,), the
    place of each one's sample in the record's ``samples``; spacing: (cells,), distance to the 15th neighbour of other
    samples; score: out-of-reference. digest: of the record and every array.
    """

    scaled: Floats32
    positions: Floats32
    weights: Floats
    cluster: NDArray[np.int16]
    sample: NDArray[np.int32]
    event: Ints
    spacing: Floats32
    score: Floats32
    record: Mapping[str, Any]

    @property
    def digest(self) -> str:
        """The digest of the record and every array."""
        return str(self.record["digest"])


_DTYPES = {
    "scaled": np.float32,
    "positions": np.float32,
    "weights": np.float64,
    "cluster": np.int16,
    "sample": np.int32,
    "event": np.int64,
    "spacing": np.float32,
    "score": np.float32,
}


def save_reference(path: Path, reference: Reference) -> Reference:
    """Write an atlas whole, with the digest of all it holds; return it with that. The same gives the same bytes."""
    arrays = {field.name: np.asarray(getattr(reference, field.name)) for field in fields(Reference)[:-1]}
    record = {**reference.record, "arrays": {name: _sha256(array) for name, array in arrays.items()}}
    record["digest"] = _digest(record)
    text = np.frombuffer(json.dumps(record, ensure_ascii=False).encode("utf-8"), dtype=np.uint8)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, array in {**arrays, _RECORD: text}.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, np.ascontiguousarray(array), version=(1, 0), allow_pickle=False)
    write_whole(path, buffer.getvalue())
    return Reference(**arrays, record=record)


def load_reference(path: Path) -> Reference:
    """Return an atlas that ``save_reference`` wrote; nothing in the file is run, and nothing larger than it is made.

    Raises BadAtlas, saying what is wrong, for a file that is no atlas, of another format, broken or changed.
    """
    if not path.is_file():
        raise BadAtlas(f"{path}: there is no atlas here; make one with: {_embed(path)}")
    try:
        arrays = _arrays(path)
        record = json.loads(arrays.pop(_RECORD).tobytes().decode("utf-8"))
    except (OSError, ValueError, KeyError, EOFError, NotImplementedError, RecursionError, zipfile.BadZipFile) as error:
        raise _unfit(path, f"it cannot be read as an atlas ({error})") from None
    if not isinstance(record, dict) or record.get("format") != ATLAS_FORMAT:
        written_format = record.get("format") if isinstance(record, dict) else None
        raise _unfit(path, f"its format is {written_format!r}, this version reads '{ATLAS_FORMAT}'")
    for name, array in arrays.items():
        if dict(record.get("arrays") or {}).get(name) != _sha256(array):
            raise _unfit(path, f"its array '{name}' was changed since the atlas was fitted")
    if record.get("digest") != _digest(record):
        raise _unfit(path, "its record was changed since the atlas was fitted")
    _check(path, arrays, record)
    return Reference(**arrays, record=record)


def _unfit(path: Path, problem: str) -> BadAtlas:
    return BadAtlas(f"{path}: {problem}; fit it again: {_embed(path)} --refit")


def _embed(path: Path) -> str:
    """Return the command that makes an atlas at such a place, ``RUN/atlas/<panel>.atlas.npz``."""
    run = path.parent.parent if path.parent.name == "atlas" else "RUN"
    panel = f" --panel {path.name.removesuffix(_SUFFIX)}" if path.name.endswith(_SUFFIX) else ""
    return f"immunomon embed {run}{panel}"


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    arrays = {}
    with zipfile.ZipFile(path) as archive:
        members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
        if set(members) != {*_DTYPES, _RECORD} or len(members) != len(archive.infolist()):
            raise ValueError(f"it holds {', '.join(sorted(members)) or 'nothing'}")
        for name, info in members.items():
            if info.compress_type != zipfile.ZIP_STORED or info.file_size > path.stat().st_size:
                raise ValueError(f"'{name}' is compressed")
            with archive.open(info) as file:
                arrays[name] = _array(name, file.read())
    return arrays


def _array(name: str, data: bytes) -> NDArray[Any]:
    """Return an array of a known type, not larger than its bytes; raises ValueError for another."""
    stream = io.BytesIO(data)
    version = np.lib.format.read_magic(stream)
    if version != (1, 0):
        raise ValueError(f"'{name}' is of version {version}")
    shape, in_columns, dtype = np.lib.format.read_array_header_1_0(stream)
    expected = np.dtype(_DTYPES.get(name, np.uint8))
    dimensions = 2 if name in ("scaled", "positions") else 1
    if dtype != expected or in_columns or len(shape) != dimensions:
        raise ValueError(f"'{name}' is {dtype} of shape {shape}")
    size = int(np.prod(shape, dtype=object)) * expected.itemsize
    if size != len(data) - stream.tell() or (name == _RECORD and size > _MOST_RECORD):
        raise ValueError(f"'{name}' does not hold what it says")
    return np.frombuffer(data, dtype=expected, offset=stream.tell()).reshape(shape)


def _check(path: Path, arrays: Mapping[str, NDArray[Any]], record: Mapping[str, Any]) -> None:
    """Raise BadAtlas unless the arrays fit each other and the record."""
    cells, markers = arrays["scaled"].shape
    shapes_fit = all(len(array) == cells for array in arrays.values()) and arrays["positions"].shape[1] == 2
    try:
        scaler, samples = record["scaler"], record["samples"]
        names = record["markers"]
        known = (
            len(names) == len(set(names)) == markers <= MOST_MARKERS
            and all(isinstance(name, str) and name in record["scales"] for name in names)
            and all(np.isfinite(float(scaler[part][name])) for part in ("centre", "scale") for name in names)
            and all(float(scaler["scale"][name]) > 0 for name in names)
            and all(isinstance(sample["id"], str) and isinstance(sample["sha256"], str) for sample in samples)
            and np.isfinite(float(record["out_of_reference"]["threshold"]))
            and all(isinstance(record[key], str) for key in ("panel", "within", "study"))
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        known = False
    if not (shapes_fit and known and 16 <= cells <= MOST_CELLS):
        raise _unfit(path, "its arrays and its record do not fit each other")
    floats = ("scaled", "positions", "weights", "spacing", "score")
    sample = arrays["sample"]
    if not all(np.isfinite(arrays[name]).all() for name in floats) or sample.min() < 0 or sample.max() >= len(samples):
        raise _unfit(path, "it holds numbers that no atlas has")


def _sha256(array: NDArray[Any]) -> str:
    head = f"{array.dtype.str}{array.shape}".encode()
    return hashlib.sha256(head + np.ascontiguousarray(array).tobytes()).hexdigest()


def _digest(record: Mapping[str, Any]) -> str:
    return digest_of({key: value for key, value in record.items() if key != "digest"})
