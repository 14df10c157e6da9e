import json

import numpy as np
import pytest

from immunomon.cytometry.model.scales import (
    SCALES,
    Asinh,
    Hyperlog,
    Identity,
    Linear,
    Log,
    Logicle,
    Tabulated,
    scale_from_dict,
    scale_to_dict,
)
from immunomon.errors import UnknownName


@pytest.mark.parametrize("scale", [Identity(), Linear(1000, 10), Logicle(w=0.7), Asinh(1000, 4, 1), Hyperlog(w=0.7)])
def test_every_scale_is_undone_by_its_inverse_and_survives_being_written(scale):
    values = np.linspace(-500, 1000, 31)
    np.testing.assert_allclose(scale.inverse(scale.apply(values)), values, atol=1e-7)
    assert scale_from_dict(scale_to_dict(scale)) == scale


def test_every_scale_is_registered_by_its_kind():
    assert set(SCALES) == {"identity", "linear", "logicle", "asinh", "log", "hyperlog", "biex", "table"}


def test_a_log_scale_is_undone_by_its_inverse_and_puts_what_is_not_positive_below_everything():
    scale = Log(1000, 3)
    values = np.geomspace(0.1, 1e4, 31)
    np.testing.assert_allclose(scale.inverse(scale.apply(values)), values, rtol=1e-12)
    assert scale.apply(np.array([0.0, -5.0])).tolist() == [-np.inf, -np.inf]
    assert scale_from_dict(scale_to_dict(scale)) == scale


def test_a_table_is_linear_between_its_entries_flat_beyond_them_and_survives_json():
    nodes = 60 * np.sinh((np.arange(4097) - 400) / 420)
    scale = Tabulated(tuple(nodes.tolist()))
    bins = np.array([0.0, 17.25, 400.0, 4096.0])
    low, high = nodes[17], nodes[18]
    intensities = np.array([nodes[0], low + 0.25 * (high - low), 0.0, nodes[-1]])
    np.testing.assert_allclose(scale.apply(intensities) * 4096, bins, atol=1e-9)
    np.testing.assert_allclose(scale.inverse(bins / 4096), intensities, atol=1e-7)
    assert scale.apply(np.array([-1e9, 1e9])).tolist() == [0.0, 1.0]
    assert scale_from_dict(json.loads(json.dumps(scale_to_dict(scale)))) == scale


@pytest.mark.parametrize("nodes", [(), (1.0,), (2.0, 2.0), (0.0, 5.0, 4.0, 9.0), (0.0, float("nan")), (3.0, 1.0)])
def test_a_table_that_does_not_rise_is_no_scale(nodes):
    with pytest.raises(ValueError, match="table"):
        Tabulated(nodes)


def test_an_unknown_scale_is_named():
    with pytest.raises(UnknownName, match="did you mean 'logicle'"):
        scale_from_dict({"kind": "logicel"})


def test_a_logicle_that_is_none_cannot_be_made():
    with pytest.raises(ValueError, match="logicle needs"):
        Logicle(w=9.0)


def test_a_hyperlog_or_log_that_is_none_cannot_be_made():
    with pytest.raises(ValueError, match="hyperlog needs"):
        Hyperlog(w=0.0)
    with pytest.raises(ValueError, match="log needs"):
        Log(m=0.0)
