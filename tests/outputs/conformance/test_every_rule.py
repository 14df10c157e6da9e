"""Every rule, broken on purpose: it is found, where it was broken, and nothing else but what follows from it."""

from collections import Counter
from dataclasses import replace

import pytest
from support.breaches import BREACHES

from immunomon.outputs.conformance.check import check_received
from immunomon.outputs.conformance.registry import RULES

# Define-XML and manifest describe the data: whoever changes these breaks their rules, too. So these rules are broken on
# a whole delivery, all others on the datasets of one patient, without them.
DESCRIBING = {number for number in RULES if number.startswith(("DX", "MF"))}
OTHERS = tuple(rule for number, rule in RULES.items() if number not in DESCRIBING)


def tight(table):
    """Return a table whose text columns are as long as their longest value, as in a file of these records."""
    longest = {name: max(map(len, table.texts(name)), default=0) for name in table.names}
    columns = tuple(one if one.is_number else replace(one, length=max(longest[one.name], 1)) for one in table.columns)
    return replace(table, columns=columns)


def of_one_patient(received, subject):
    def fewer(table):
        if not table.has("USUBJID"):
            return table
        # Related datasets are of no subject.
        rows = tuple(row for row, who in zip(table.rows, table.texts("USUBJID"), strict=True) if who in {subject, ""})
        about = {**table.about, "records": len(rows)} if "records" in table.about else table.about
        return tight(replace(table, rows=rows, about=about))

    tables = tuple(fewer(table) for table in received.tables)
    return replace(received, tables=tables, beside=tuple(fewer(table) for table in received.beside))


@pytest.fixture(scope="module")
def base(as_received):
    """Return a delivery that keeps every rule, and the rules that are checked on it."""
    patient = next(one.text("USUBJID") for one in as_received("adam").table("AE").records if _often(as_received, one))
    made = {
        "adam": lambda: of_one_patient(as_received("adam"), patient),
        "two": lambda: as_received("adam"),
        "both": lambda: of_one_patient(as_received("both"), patient),
        "json": lambda: of_one_patient(as_received("dataset-json"), patient),
        "all": lambda: as_received("adam"),
        "json-all": lambda: as_received("dataset-json"),
    }
    kept = {}

    def give(kind):
        if kind not in kept:
            rules = tuple(RULES.values()) if kind in {"all", "json-all"} else OTHERS
            kept[kind] = (made[kind]() if kind in made else as_received(kind), rules)
        return kept[kind]

    return give


def _often(as_received, one):
    subject = one.text("USUBJID")
    count = Counter(r.text("USUBJID") for r in as_received("adam").table("AE").records)
    kinetics = {r.text("USUBJID") for r in as_received("adam").table("PP").records}
    return count[subject] > 1 and subject in kinetics


@pytest.mark.parametrize("kind", sorted({one.kind for one in BREACHES}))
def test_what_is_broken_below_keeps_every_rule_before(base, kind):
    received, rules = base(kind)
    report = check_received(received, rules)
    assert [(one.rule, one.where, one.record, one.message) for one in report.breaches] == []


@pytest.mark.parametrize("breach", BREACHES, ids=lambda one: one.rule)
def test_a_rule_that_is_broken_on_purpose_is_found_where_it_is_broken(base, breach):
    received, rules = base(breach.kind)
    broken = breach.change(received)
    if breach.rule != "XP002":  # the others are not about lengths, and a writer would fit these to the values
        broken = replace(broken, tables=tuple(tight(one) if one.form == "xpt" else one for one in broken.tables))
    report = check_received(broken, rules)
    assert set(report.broken) == {breach.rule, *breach.also.split()}, report.breaches[:8]
    found = [one for one in report.breaches if one.rule == breach.rule]
    assert not breach.where or breach.where in {one.where for one in found}
    assert all(one.message and one.remedy == RULES[breach.rule].remedy for one in found)
    assert "could not be judged" not in " ".join(one.message for one in report.breaches)


def test_every_rule_is_broken_on_purpose():
    assert Counter(one.rule for one in BREACHES) == Counter(list(RULES))
