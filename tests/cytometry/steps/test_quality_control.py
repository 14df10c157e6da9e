from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from immunomon.cytometry.model.events import EventTable, Scale
from immunomon.cytometry.steps.quality_control import check_quality
from immunomon.errors import WrongScale
from immunomon.study.model.channels import Channel
from immunomon.study.model.quality import Quality, QualityLimits, Verdict

EVENTS = 8000
CHANNELS = (Channel("FSC-A"), Channel("PE-A", "CD25"), Channel("APC-A", "CD127"), Channel("Time"))
LIMITS = QualityLimits()


def table(events=EVENTS, *, time=None, change=None, channels=CHANNELS):
    rng = np.random.default_rng(4)
    size = rng.standard_normal(events)
    values = np.column_stack(
        [
            60_000 * np.exp(0.2 * size),
            np.exp(6 + 0.5 * size + rng.standard_normal(events)),
            np.exp(7 + rng.standard_normal(events)),
            np.floor(np.cumsum(rng.standard_exponential(events)) / 5) if time is None else time,
        ]
    )
    if change is not None:
        change(values)
    return EventTable(values[:, : len(channels)].astype(np.float32), channels)


def named(quality: Quality, check: str):
    return [one for one in quality.checks if one.check == check]


def test_a_steady_acquisition_passes_without_a_reason():
    judged = check_quality(table(), LIMITS)
    assert judged.quality.verdict is Verdict.PASS
    assert judged.quality.reason is None
    assert not judged.flagged.any()


def test_a_clog_is_flagged_by_its_flow_rate_though_signals_stay_as_they_are():
    waits = np.random.default_rng(1).standard_exponential(EVENTS)
    waits[3000:3800] *= 6
    judged = check_quality(table(time=np.floor(np.cumsum(waits) / 5)), LIMITS)
    (stretch,) = judged.quality.stretches
    assert abs(stretch.start - 3000) <= 50
    assert abs(stretch.stop - 3800) <= 50
    assert "clog: flow rate falls" in stretch.reason
    assert judged.quality.verdict is Verdict.WARN


def test_a_surge_is_flagged_as_a_surge():
    waits = np.random.default_rng(1).standard_exponential(EVENTS)
    waits[3000:3800] /= 6
    (stretch,) = check_quality(table(time=np.floor(np.cumsum(waits) * 20)), LIMITS).quality.stretches
    assert "surge: flow rate rises" in stretch.reason


def test_a_step_names_the_channel_that_it_is_in_and_no_other():
    def change(values):
        values[6000:6600, 1] *= 3

    quality = check_quality(table(change=change), LIMITS).quality
    verdicts = {one.channel: one.verdict for one in named(quality, "signal")}
    assert verdicts == {"FSC-A": Verdict.PASS, "CD25": Verdict.WARN, "CD127": Verdict.PASS}
    assert quality.reason == "7.5 % of the events are off the usual course: step of CD25 in events 6000 to 6600"


def test_a_drift_that_spoils_a_third_of_the_file_fails():
    def change(values):
        values[4500:, 1:3] *= np.exp(-np.linspace(0, 3, EVENTS - 4500))[:, None]

    quality = check_quality(table(change=change), LIMITS).quality
    assert quality.verdict is Verdict.FAIL
    assert [stretch.check for stretch in quality.stretches] == ["drift"]


def test_what_is_flagged_does_not_depend_on_the_scale_of_a_channel():
    def change(values):
        values[6000:6600, 1] *= 3

    def stretched(values):
        change(values)
        values[:, 1] = np.log(values[:, 1])

    assert (
        check_quality(table(change=change), LIMITS).quality.stretches
        == check_quality(table(change=stretched), LIMITS).quality.stretches
    )


@pytest.mark.parametrize(
    ("time", "reason"),
    [
        (np.random.default_rng(0).permutation(EVENTS), "Time is shuffled"),
        (np.zeros(EVENTS), "Time stands still"),
        (np.full(EVENTS, np.nan), "Time stands still"),
        (np.arange(EVENTS) // 1000, "Time is coarse"),
    ],
)
def test_shuffled_or_coarse_time_is_no_anomaly_but_cannot_be_judged(time, reason):
    quality = check_quality(table(time=time), LIMITS).quality
    assert quality.verdict is Verdict.UNJUDGED
    assert reason in str(quality.reason)
    assert quality.flagged_events == 0


def test_coarse_time_still_tells_the_order_so_that_a_step_is_found():
    def change(values):
        values[6000:6600, 1] *= 3

    assert check_quality(table(time=np.arange(EVENTS) // 1000, change=change), LIMITS).quality.verdict is Verdict.WARN


def test_a_file_without_time_cannot_be_judged():
    assert check_quality(table(channels=CHANNELS[:3]), LIMITS).quality.verdict is Verdict.UNJUDGED


def test_time_that_starts_again_is_several_tubes_in_one_file():
    time = np.concatenate([np.arange(5000), np.arange(3000)])
    quality = check_quality(table(time=time), LIMITS).quality
    assert quality.verdict is Verdict.FAIL
    assert str(quality.reason).startswith("Time starts again once: several tubes in one file")


def test_a_clock_that_jitters_is_not_several_tubes():
    time = np.arange(EVENTS) // 5
    time[100::400] -= 2
    assert check_quality(table(time=time), LIMITS).quality.verdict is Verdict.PASS


def test_too_few_events_fail():
    quality = check_quality(table(400), LIMITS).quality
    assert quality.verdict is Verdict.FAIL
    assert quality.reason == "too few events: 400, 500 are needed"


def test_a_file_without_events_fails_and_harms_nothing():
    assert check_quality(table(0), LIMITS).quality.verdict is Verdict.FAIL


def test_events_at_the_top_of_a_range_or_without_scatter_are_margin_events():
    def change(values):
        values[::80, 1] = 262_143
        values[1::80, 0] = 0
        values[2::80, 1] = 0  # a negative, not a margin event

    judged = check_quality(table(change=change), LIMITS)
    assert np.flatnonzero(judged.margins).tolist() == sorted([*range(0, EVENTS, 80), *range(1, EVENTS, 80)])
    assert judged.quality.verdict is Verdict.PASS
    assert check_quality(table(change=change), QualityLimits(margin_percent=1.0)).quality.verdict is Verdict.WARN


def test_values_beyond_the_declared_range_have_no_top():
    def change(values):
        values[:100, 1] = 262_143
        values[100, 1] = 400_000

    assert not check_quality(table(change=change), LIMITS).margins.any()


def test_a_counter_of_events_is_no_signal():
    channels = (*CHANNELS[:2], Channel("EventNo"), CHANNELS[3])

    def change(values):
        values[:, 2] = np.arange(len(values))

    quality = check_quality(table(change=change, channels=channels), LIMITS).quality
    assert quality.verdict is Verdict.PASS
    assert [one.channel for one in named(quality, "signal")] == ["FSC-A", "CD25"]


def test_a_quality_comes_back_from_json_as_it_was():
    def change(values):
        values[6000:6600, 1] *= 3

    quality = check_quality(table(change=change), LIMITS).quality
    assert Quality.from_dict(json.loads(json.dumps(quality.to_dict()))) == quality


def test_compensated_events_are_refused():
    events = EventTable(np.ones((3, 1)), (Channel("PE-A"),), Scale.COMPENSATED, "a.fcs")
    with pytest.raises(WrongScale, match=r"a\.fcs: judge needs raw events, got compensated ones"):
        check_quality(events, LIMITS)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=1, max_size=12), st.integers(1, 3))
def test_whatever_numbers_a_file_holds_it_is_judged_without_harm(numbers, channel):
    values = np.column_stack([np.tile(numbers, 3000 // len(numbers) + 1)[:3000]] * 4)
    values[:, :channel] = np.random.default_rng(1).standard_normal((3000, channel))
    quality = check_quality(EventTable(values, CHANNELS), LIMITS).quality
    json.dumps(quality.to_dict(), allow_nan=False)


def test_a_file_with_thousands_of_channels_does_not_exhaust_memory():
    values = np.random.default_rng(2).standard_normal((2100, 1000)).astype(np.float32)
    values[:, -1] = np.arange(2100) // 5
    channels = (*(Channel(f"D{place}-A") for place in range(999)), Channel("Time"))
    quality = check_quality(EventTable(values, channels), LIMITS).quality
    assert len(named(quality, "signal")) == 256
