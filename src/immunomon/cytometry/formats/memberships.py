"""Which event is in which population, as packed bits in an ``.npz`` file."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from immunomon.arrays import Mask
from immunomon.errors import ImmunomonError
from immunomon.files import open_input, write_whole

__all__ = ["read_memberships", "write_memberships"]


def write_memberships(path: Path, masks: Mapping[str, Mask], count: int) -> None:
    """Write memberships: ``names``, ``masks`` (one row a population, packed by numpy.packbits) and ``n``.

    masks: name -> (events,); count: the number of events. The same memberships give the same bytes.
    """
    packed = np.array([np.packbits(mask) for mask in masks.values()], dtype=np.uint8).reshape(
        len(masks), -(-count // 8)
    )
    buffer = io.BytesIO()
    np.savez_compressed(buffer, names=np.array(list(masks), dtype=np.str_), masks=packed, n=np.int64(count))
    write_whole(path, buffer.getvalue())


def read_memberships(path: Path) -> dict[str, Mask]:
    """Return memberships by name, each (events,); raises ImmunomonError if the file holds none."""
    try:
        with open_input(path) as file, np.load(file, allow_pickle=False) as data:
            count = int(data["n"])
            masks = np.unpackbits(data["masks"], axis=1)[:, :count].astype(np.bool_)
            return {str(name): mask for name, mask in zip(data["names"], masks, strict=True)}
    except (OSError, KeyError, ValueError) as error:
        raise ImmunomonError(f"{path}: it holds no memberships ({error})") from error
