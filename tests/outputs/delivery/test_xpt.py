"""SAS transport files: what is refused, and that what is written is what is read."""

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from immunomon.errors import DeliveryFailed
from immunomon.outputs.delivery.dataset import Dataset, Variable, dataset_of
from immunomon.outputs.delivery.xpt import read_xpt, write_xpt, xpt_problems

MADE = "2025-01-13T10:11:12+00:00"
FRAME = Dataset("LB", "Laboratory", (Variable("LBTESTCD", "Test"), Variable("LBSTRESN", "Result", "float")), ())


def of(**changed):
    variable = Variable(changed.get("name", "LBORRES"), changed.get("label", "Result"))
    return Dataset(changed.get("dataset", "LB"), "Laboratory", (variable,), ((changed.get("value", "x"),),))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"name": "LBORRESULT"}, "at most 8"),
        ({"name": "lborres"}, "no SAS name"),
        ({"dataset": "LABORATORY"}, "at most 8"),
        ({"label": "x" * 41}, "the label has 41 letters"),
        ({"label": "Ergebnis für"}, "the label is not plain ASCII"),
        ({"value": "x" * 201}, "is longer than 200 letters"),
        ({"value": "café"}, "is not plain ASCII"),
        ({"value": "x "}, "ends in blanks"),
    ],
)
def test_what_the_format_would_cut_or_spoil_in_silence_is_refused(tmp_path, changed, said):
    dataset = of(**changed)
    assert said in "; ".join(xpt_problems(dataset))
    with pytest.raises(DeliveryFailed, match=said):
        write_xpt(tmp_path / "lb.xpt", dataset, MADE)
    assert list(tmp_path.iterdir()) == []


def test_problems_that_are_not_listed_are_counted(tmp_path):
    variables = tuple(Variable(f"long_name_{number}", "Result") for number in range(23))
    dataset = Dataset("LB", "Laboratory", variables, ())
    with pytest.raises(DeliveryFailed, match=r"digits; and 3 more; change these names"):
        write_xpt(tmp_path / "lb.xpt", dataset, MADE)


def test_the_same_data_give_the_same_bytes(tmp_path):
    dataset = dataset_of(FRAME, [{"LBTESTCD": "PLAT", "LBSTRESN": 15}])
    for name in ("a.xpt", "b.xpt"):
        write_xpt(tmp_path / name, dataset, MADE)
    assert (tmp_path / "a.xpt").read_bytes() == (tmp_path / "b.xpt").read_bytes()
    assert b"13JAN25:10:11:12" in (tmp_path / "a.xpt").read_bytes()


NUMBERS = st.floats(-1e60, 1e60).filter(lambda number: number == 0 or abs(number) > 1e-60)


@settings(max_examples=25, deadline=None)
@given(number=NUMBERS)
def test_every_number_comes_back_to_the_last_bit(number, tmp_path_factory):
    path = tmp_path_factory.mktemp("xpt") / "lb.xpt"
    write_xpt(path, dataset_of(FRAME, [{"LBTESTCD": "PLAT", "LBSTRESN": number}]), MADE)
    assert read_xpt(path).rows == (("PLAT", number),)


def test_what_is_no_transport_file_is_said(tmp_path):
    (tmp_path / "lb.xpt").write_bytes(b"nothing of the kind" * 100)
    with pytest.raises(DeliveryFailed, match="is no SAS transport file"):
        read_xpt(tmp_path / "lb.xpt")


def test_another_reader_finds_the_same_values_in_every_file(delivered, received):
    paths = sorted(delivered("adam").glob("*/*.xpt"))
    assert len(paths) >= 15
    for path in paths:
        dataset = received("adam")[path.stem.upper()]
        frame = pd.read_sas(path, format="xport", encoding="ascii")
        assert list(frame.columns) == list(dataset.names)
        for variable in dataset.variables:
            ours = dataset.column(variable.name)
            theirs = [_as_ours(value) for value in frame[variable.name]]
            # It takes blanks at the end of a file of short records for padding, and with them the last record.
            if len(theirs) == len(ours) - 1 and path.name.startswith("supp") and dataset.column("QEVAL")[-1] is None:
                ours = ours[:-1]
            assert theirs == list(ours), f"{path.name} {variable.name}"


def _as_ours(value):
    if value != value or value == "":
        return None
    # pandas reads the zero of a transport file as 5.4e-79 (16 to the power of -65).
    return 0.0 if isinstance(value, float) and abs(value) < 1e-78 else value
