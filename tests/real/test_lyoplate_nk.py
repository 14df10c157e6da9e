"""NK cells and monocytes against openCyto's automatic gating of a published technical pair.

The strategy was written with that gating in view, on these two files: agreement, not a blind test (docs/gating.md).
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from immunomon.assurance.validation.real import LYOPLATE_FILES, beside, gate_lyoplate, their_lyoplate

pytestmark = pytest.mark.real_data


@pytest.fixture(scope="module", params=LYOPLATE_FILES)
def both(request: pytest.FixtureRequest, real_data: Path) -> pd.DataFrame:
    return beside(gate_lyoplate(real_data, request.param), their_lyoplate(real_data, request.param))


def test_all_nk_and_monocyte_populations_are_compared(both) -> None:
    assert len(both) == 14
    assert not both["population"].duplicated().any()
    assert (both["their_events"] > 500).sum() >= 11


def test_each_population_is_within_3_points_of_its_parent(both) -> None:
    assert both.loc[(both["percent"] - both["their_percent"]).abs() > 3, "population"].tolist() == []


def test_each_population_over_500_events_holds_the_same_events(both) -> None:
    assert both.loc[(both["their_events"] > 500) & ~(both["f1"] >= 0.90), "population"].tolist() == []
