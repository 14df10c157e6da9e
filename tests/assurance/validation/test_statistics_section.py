import numpy as np
import pytest

from immunomon.assurance.simulate.protocol import Scenario
from immunomon.assurance.validation.sections import Settings
from immunomon.assurance.validation.statistics import section
from immunomon.assurance.validation.statistics_nulls import Rate, rejections
from immunomon.assurance.validation.statistics_trials import recovered


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return section(Settings(0, 1, tmp_path_factory.mktemp("work"), 1), trials=60)


def test_the_section_names_its_command_and_shows_every_rate(small):
    assert small.text.startswith("## Statistics")
    assert "immunomon validate --statistics" in small.text
    for name in ("moderated t", "sign-flip", "Jonckheere-Terpstra, two-sided", "Hodges-Lehmann interval", "max-T"):
        assert name in small.text


def test_the_search_for_a_mechanism_is_part_of_it_with_what_it_is_measured_by(small):
    part = small.text[small.text.index("### Mechanism") :]
    for name in ("difference by response, exact", "r within patients, Treg, by patients", "product of the path with"):
        assert name in part
    truths = part[part.index("| the truth that it is measured by") :]
    product = next(line for line in truths.splitlines() if line.startswith("| product of the path with exposure"))
    assert product.endswith("| +0.00 |"), "in the scenario null nothing happens to the cells"


def test_what_is_not_as_it_should_be_is_named_and_fails_the_section(small, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "immunomon.assurance.validation.statistics.patient_coverages", lambda *_: {"spoiled": Rate(0.5, 0.01)}
    )
    found = section(Settings(0, 1, tmp_path, 1), trials=30)
    assert not found.met
    assert any("spoiled" in line for line in found.lines)
    assert "- spoiled, 1 patients: 0.500" in found.text


def test_cells_counted_as_patients_are_significant_most_of_the_time():
    rates = rejections(0.0, 6, 100, rng=np.random.default_rng(1))
    assert rates["pooled chi-square (not in the product)"].value > 0.6
    assert rates["t"].value < 0.1


def test_the_effect_that_was_built_in_is_recovered_and_none_where_there_is_none():
    found = recovered(Scenario.MECHANISM, 40, 1)
    assert max(abs(bias) for bias in found.bias.values()) < 0.1
    assert found.coverage["t interval, all nine"].value > 0.9
    assert found.excluded.value > 3 * recovered(Scenario.NULL, 40, 1).excluded.value
