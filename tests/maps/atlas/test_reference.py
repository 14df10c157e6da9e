import io
import json
import pickle
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from immunomon.errors import BadAtlas, ImmunomonError
from immunomon.maps.atlas.reference import ATLAS_FORMAT, Reference, load_reference, save_reference

RECORD = {
    "format": ATLAS_FORMAT,
    "study": "DEMO",
    "panel": "treg",
    "within": "lymphocytes",
    "markers": ["CD3", "CD4"],
    "scales": {"CD3": {"kind": "identity"}, "CD4": {"kind": "identity"}},
    "detectors": {"CD3": "A", "CD4": "B"},
    "scaler": {"centre": {"CD3": 0.1, "CD4": 0.2}, "scale": {"CD3": 0.5, "CD4": 0.4}},
    "samples": [{"id": "S01", "sha256": "00"}, {"id": "S02", "sha256": "01"}],
    "out_of_reference": {"threshold": 1.5},
}


def a_reference(cells=20):
    rng = np.random.default_rng(1)
    return Reference(
        rng.random((cells, 2), dtype=np.float32),
        rng.random((cells, 2), dtype=np.float32),
        np.ones(cells),
        np.ones(cells, dtype=np.int16),
        (np.arange(cells) % 2).astype(np.int32),
        np.arange(cells),
        np.ones(cells, dtype=np.float32),
        np.ones(cells, dtype=np.float32),
        RECORD,
    )


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    path = tmp_path_factory.mktemp("reference") / "treg.atlas.npz"
    save_reference(path, a_reference())
    return path


def rewritten(path, to, **changes):
    """The archive with some members changed: bytes, or None for left out."""
    with zipfile.ZipFile(path) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    members |= {f"{name}.npy": data for name, data in changes.items()}
    with zipfile.ZipFile(to, "w") as archive:
        for name, data in members.items():
            if data is not None:
                archive.writestr(name, data)
    return to


def npy(array):
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=array.dtype.hasobject)
    return buffer.getvalue()


def test_an_atlas_comes_back_as_it_was_saved_and_the_same_gives_the_same_bytes(saved, tmp_path):
    found, was = load_reference(saved), a_reference()
    for name in ("scaled", "positions", "weights", "cluster", "sample", "event", "spacing", "score"):
        np.testing.assert_array_equal(getattr(found, name), getattr(was, name))
    assert {key: found.record[key] for key in RECORD} == RECORD
    save_reference(tmp_path / "again.npz", was)
    assert (tmp_path / "again.npz").read_bytes() == saved.read_bytes()


@pytest.mark.parametrize("name", ["scaled", "positions", "event", "score"])
def test_a_changed_array_is_refused_by_name(saved, tmp_path, name):
    array = np.array(getattr(load_reference(saved), name))
    array.flat[3] += 1
    with pytest.raises(BadAtlas, match=f"its array '{name}' was changed since the atlas was fitted"):
        load_reference(rewritten(saved, tmp_path / "changed.npz", **{name: npy(array)}))


def test_a_changed_record_is_refused(saved, tmp_path):
    record = {**load_reference(saved).record, "within": "b_cells"}
    data = npy(np.frombuffer(json.dumps(record).encode(), dtype=np.uint8))
    with pytest.raises(BadAtlas, match="its record was changed since the atlas was fitted"):
        load_reference(rewritten(saved, tmp_path / "changed.npz", record=data))


def test_another_format_is_refused(saved, tmp_path):
    data = npy(np.frombuffer(b'{"format": "immunomon.atlas/1"}', dtype=np.uint8))
    with pytest.raises(BadAtlas, match=r"its format is 'immunomon.atlas/1', this version reads 'immunomon.atlas/2'"):
        load_reference(rewritten(saved, tmp_path / "old.npz", record=data))


class Mischief:
    def __reduce__(self):
        return (pytest.fail, ("code in the file was run",))


def test_objects_are_refused_and_nothing_in_them_is_run(saved, tmp_path):
    data = npy(np.zeros(20, dtype=np.int16)).replace(b"'<i2'", b"'|O' ") + pickle.dumps(Mischief())
    with pytest.raises(BadAtlas, match=r"'cluster' is object"):
        load_reference(rewritten(saved, tmp_path / "objects.npz", cluster=data))


def test_an_array_that_says_it_is_larger_than_it_is_is_refused_before_it_is_made(saved, tmp_path):
    data = npy(np.zeros(20, dtype=np.float32)).replace(b"(20,)", b"(9999999999999,)")
    with pytest.raises(BadAtlas, match="it cannot be read as an atlas"):
        load_reference(rewritten(saved, tmp_path / "large.npz", score=data))


def test_a_compressed_archive_is_refused_before_it_is_unpacked(saved, tmp_path):
    with zipfile.ZipFile(saved) as archive, zipfile.ZipFile(tmp_path / "small.npz", "w", zipfile.ZIP_DEFLATED) as out:
        for info in archive.infolist():
            out.writestr(info.filename, archive.read(info))
    with pytest.raises(BadAtlas, match="is compressed"):
        load_reference(tmp_path / "small.npz")


def test_arrays_that_do_not_fit_each_other_are_refused_though_their_digest_is_right(tmp_path):
    was = a_reference()
    broken = Reference(
        was.scaled, was.positions, was.weights[:5], was.cluster, was.sample, was.event, was.spacing, was.score, RECORD
    )
    save_reference(tmp_path / "broken.npz", broken)
    with pytest.raises(BadAtlas, match="do not fit each other"):
        load_reference(tmp_path / "broken.npz")


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_broken_file_is_refused_with_its_name_and_never_crashes(saved, tmp_path_factory, data):
    whole = bytearray(saved.read_bytes())
    place = data.draw(st.integers(0, len(whole) - 1))
    cut = data.draw(st.booleans())
    broken = whole[:place] if cut else whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :]
    path = tmp_path_factory.mktemp("broken") / "treg.atlas.npz"
    path.write_bytes(bytes(broken))
    try:
        found = load_reference(path).digest
    except ImmunomonError as error:
        found = str(error)
    # Some bytes decide nothing, such as a date in the archive.
    assert found == load_reference(saved).digest or "treg.atlas.npz" in found


def test_a_file_that_is_not_there_is_said(tmp_path):
    with pytest.raises(BadAtlas, match=r"none.npz: there is no atlas here; make one with: immunomon embed"):
        load_reference(tmp_path / "none.npz")


def test_the_remedy_names_the_run_and_the_panel_of_the_atlas(tmp_path):
    with pytest.raises(BadAtlas, match=rf"immunomon embed {tmp_path} --panel bcell$"):
        load_reference(tmp_path / "atlas" / "bcell.atlas.npz")
