"""The protocol section of a study file: what it holds, and what it gets wrong is said at its place."""

import pytest

from immunomon.study.model.protocol import summary_parameters
from immunomon.study.specs.study import load_study

STUDY = """\
schema: immunomon.study/2
name: X
visits: [{label: D1}]
panels: [{panel: treg, strategy: treg}]
"""


def summary(write, *entries):
    lines = "".join(f"    - {entry}\n" for entry in entries)
    return lambda: load_study(write(f"{STUDY}protocol:\n  summary:\n{lines}", "study.yaml"))


def test_a_study_without_the_section_has_no_protocol(write):
    assert load_study(write(STUDY, "study.yaml")).protocol is None


def test_statements_and_criteria_are_read_with_the_names_of_the_terminology(write):
    study = load_study(
        write(
            STUDY
            + """\
protocol:
  version: "2.1"
  summary:
    - {parameter: SSTDTC, value: 2024-12-16}
    - {parameter: NARMS, value: 3}
    - {parameter: AGEMAX, null_flavor: PINF}
    - {parameter: OURS, name: One of our own, value: x}
  criteria: [{id: INCL01, category: inclusion, text: Grown up}]
""",
            "study.yaml",
        )
    )
    entries = [(entry.code, entry.name, entry.value, entry.null_flavor) for entry in study.protocol.summary]
    assert entries == [
        ("SSTDTC", "Study Start Date", "2024-12-16", ""),
        ("NARMS", "Planned Number of Arms", "3", ""),
        ("AGEMAX", "Planned Maximum Age of Subjects", "", "PINF"),
        ("OURS", "One of our own", "x", ""),
    ]
    criterion = study.protocol.criteria[0]
    assert (study.protocol.version, criterion.id, criterion.category) == ("2.1", "INCL01", "INCLUSION")


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ("{parameter: SSTDT, value: 2024-12-16}", "did you mean 'SSTDTC'?"),
        ("{parameter: SSTDTC, value: in spring}", "write a date: 2024-11-20, 2024-11 or 2024"),
        ("{parameter: NARMS, value: three}", "write a whole number"),
        ("{parameter: AGEMIN, value: 18}", "write a duration of ISO 8601, such as P18Y or P28W"),
        ("{parameter: RANDOM, value: maybe}", "write Y or N"),
        ("{parameter: TITLE}", "give one of them"),
        ("{parameter: TITLE, value: x, null_flavor: NI}", "give one of them"),
    ],
)
def test_what_a_statement_gets_wrong_is_said_with_the_remedy(write, problems_of, entry, problem):
    (complaint,) = problems_of(summary(write, entry))
    assert complaint.startswith("line 7: protocol.summary[0]")
    assert problem in complaint


def test_two_criteria_of_one_id_are_refused(write, problems_of):
    criteria = "protocol:\n  criteria:\n" + 2 * "    - {id: INCL01, category: inclusion, text: x}\n"
    (complaint,) = problems_of(lambda: load_study(write(STUDY + criteria, "study.yaml")))
    assert "'INCL01' is there twice" in complaint


def test_parameters_fit_a_transport_file():
    for code, parameter in summary_parameters().items():
        assert len(code) <= 8
        assert 1 <= len(parameter.name) <= 40
        assert parameter.form in {"text", "date", "number", "duration", "yes/no"}
