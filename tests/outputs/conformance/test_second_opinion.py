"""What an independent tool says of the delivered SDTM: pointblank's rules for SDTMIG 3.4, without a network."""

from __future__ import annotations

import pytest

pytest.importorskip("pointblank", reason="the second opinion is a development dependency")


@pytest.fixture(scope="module")
def judged(whole):
    import pointblank
    import pyreadstat

    folder = whole("adam") / "sdtm"
    datasets = {path.stem.upper(): pyreadstat.read_xport(str(path))[0] for path in sorted(folder.glob("*.xpt"))}
    return pointblank.validate_sdtmig(datasets, define_xml=str(folder / "define.xml"))


def test_an_independent_tool_finds_no_error_and_nothing_to_warn_of(judged):
    rules = judged.rules()
    assert len(rules) >= 362
    failed = [
        (rule.rule_id, rule.dataset, rule.message) for rule in rules if rule.status not in {"pass", "not_applicable"}
    ]
    assert failed == []
    # Rules that had nothing to look at say nothing: nearly all had.
    assert sum(rule.status == "pass" for rule in rules) >= 350


def test_it_would_have_found_a_missing_trial_summary(whole):
    import pointblank
    import pyreadstat

    folder = whole("adam") / "sdtm"
    names = [path for path in sorted(folder.glob("*.xpt")) if path.stem not in {"ts", "ta"}]
    datasets = {path.stem.upper(): pyreadstat.read_xport(str(path))[0] for path in names}
    report = pointblank.validate_sdtmig(datasets)
    assert {rule.rule_id for rule in report.rules("fail")} == {"SDTM-121", "SDTM-122"}
