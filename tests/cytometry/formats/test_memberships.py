import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from immunomon.cytometry.formats.memberships import read_memberships, write_memberships
from immunomon.errors import ImmunomonError


@given(st.integers(0, 40), st.integers(1, 4), st.integers(0, 99))
def test_memberships_written_and_read_are_the_same(tmp_path_factory, count, populations, seed):
    rng = np.random.default_rng(seed)
    masks = {f"/p{i}": rng.random(count) < 0.5 for i in range(populations)}
    path = tmp_path_factory.mktemp("m") / "m.npz"
    write_memberships(path, masks, count)
    again = read_memberships(path)
    assert list(again) == list(masks)
    assert all((again[name] == masks[name]).all() for name in masks)


def test_the_same_memberships_give_the_same_bytes(tmp_path):
    for name in ("a.npz", "b.npz"):
        write_memberships(tmp_path / name, {"/x": np.array([True, False])}, 2)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_a_file_without_memberships_is_refused_by_name(tmp_path):
    (tmp_path / "x.npz").write_bytes(b"nothing")
    with pytest.raises(ImmunomonError, match=r"x\.npz: it holds no memberships"):
        read_memberships(tmp_path / "x.npz")
