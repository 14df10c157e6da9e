"""All rules of deliveries: read from ``rules.csv``, by number, and as the page ``docs/delivery-rules.md``.

A rule's check is said in the table by its kind, or is the function registered under its number in one of the modules
of rules.

>>> RULES["CP003"].severity, RULES["CP003"].scope.words
('error', 'dataset CP')
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Mapping
from importlib.resources import files
from itertools import groupby
from pathlib import Path
from types import MappingProxyType
from typing import cast, get_args

from immunomon.files import write_whole
from immunomon.outputs.conformance import (
    rules_analysis,
    rules_cells,
    rules_define_values,
    rules_define_xml,
    rules_design,
    rules_domains,
    rules_files,
    rules_manifest,
    rules_people,
    rules_time,
    rules_variables,
)
from immunomon.outputs.conformance.book import CHECKS, Family, Rule, Scope, Severity
from immunomon.outputs.conformance.guide import guide_of
from immunomon.outputs.conformance.kinds import check_of
from immunomon.outputs.conformance.table import Table

__all__ = ["FAMILIES", "RULES", "rules_by_number", "rules_document", "scope_of", "write_rules_document"]

# Importing these modules registers the checks of their rules.
_MODULES = (
    rules_files,
    rules_manifest,
    rules_define_xml,
    rules_define_values,
    rules_variables,
    rules_time,
    rules_design,
    rules_domains,
    rules_cells,
    rules_analysis,
    rules_people,
)


def _tables(words: str, belongs: Callable[[Table], bool], *, of_cdisc: bool = False) -> Scope:
    return Scope(words, lambda received: [table for table in received.tables if belongs(table)], of_cdisc)


def _datasets(words: str, belongs: Callable[[Table], bool]) -> Scope:
    return Scope(words, lambda received: [table for table in received.cdisc if belongs(table)], of_cdisc=True)


# What rules look at: the parts of a delivery, by kind; a dataset or a table by its name is none of these.
_SCOPES = (
    _datasets("datasets of SDTM or ADaM", lambda _: True),
    _datasets("datasets of SDTM", lambda table: table.is_tabulation),
    _datasets("domains of SDTM", lambda table: table.is_tabulation and bool(guide_of(table.name))),
    _datasets("datasets about subjects", lambda table: table.has("USUBJID")),
    _datasets("datasets with visits", lambda table: table.has("VISITNUM")),
    _datasets("domains of findings", lambda table: table.is_finding),
    _datasets("datasets of the guides", lambda table: bool(guide_of(table.name))),
    _datasets("supplemental qualifiers", lambda table: table.name.startswith("SUPP")),
    _datasets("datasets of parameters (BDS)", lambda table: table.is_analysis and table.has("PARAMCD")),
    _tables("SAS transport files", lambda table: table.form == "xpt", of_cdisc=True),
    _tables("Dataset-JSON files", lambda table: table.form == "json", of_cdisc=True),
    _tables("tables for people (CSV)", lambda table: table.form == "csv" and not table.is_cdisc),
    _tables("workbooks", lambda table: table.form == "xlsx"),
    Scope(
        "dataset that comes as transport file and as Dataset-JSON",
        lambda received: [table for table in received.cdisc if received.twin(table) is not None],
        of_cdisc=True,
    ),
    Scope("Define-XML", lambda received: received.defines, of_cdisc=True),
    Scope("files", lambda received: [received] if received.files else []),
    Scope("manifest", lambda received: [] if received.manifest is None else [received.manifest]),
)


def scope_of(words: str) -> Scope:
    """Return the scope that words mean: a kind of parts, ``dataset CP``, or ``table links.csv``.

    Raises ValueError for words that mean none.
    """
    for scope in _SCOPES:
        if scope.words == words:
            return scope
    kind, _, name = words.partition(" ")
    if kind == "dataset":
        return Scope(words, lambda received: list(filter(None, [received.table(name)])), of_cdisc=True)
    if kind == "table":
        file_stem = name.removesuffix(".csv")
        return Scope(words, lambda received: list(filter(None, [received.people_table(file_stem)])))
    raise ValueError(f"rules cannot look at '{words}'")


def _rule(row: Mapping[str, str]) -> Rule:
    number = row["rule"]
    if row["severity"] not in get_args(Severity):
        raise ValueError(f"rule {number} has severity '{row['severity']}'")
    return Rule(
        number,
        cast(Severity, row["severity"]),
        row["says"],
        row["source"],
        row["remedy"],
        scope_of(row["looks_at"]),
        check_of(row["check"]) if row["check"] else CHECKS[number],
        tuple(row["needs"].split()),
    )


def _families() -> tuple[Family, ...]:
    lines = (files("immunomon.outputs.conformance") / "rules.csv").read_text(encoding="utf-8").splitlines()
    groups = groupby(csv.DictReader(lines), key=lambda row: row["family"])
    return tuple(Family(name, tuple(map(_rule, rows))) for name, rows in groups)


def rules_by_number(families: Iterable[Family]) -> Mapping[str, Rule]:
    """Return the rules of some families by number; raises ValueError if a number is there twice."""
    rules: dict[str, Rule] = {}
    for rule in (rule for family in families for rule in family.rules):
        if rule.number in rules:
            raise ValueError(f"there are two rules {rule.number}")
        rules[rule.number] = rule
    return MappingProxyType(rules)


FAMILIES = _families()
RULES = rules_by_number(FAMILIES)


_HEAD = """# The rules that a delivery keeps

`immunomon check-delivery FOLDER` holds a delivery against these {count} rules ({errors} of severity error,
{warnings} of severity warning) and exits with status 1 if one of severity error is broken. `immunomon deliver` does so
at its end. The page is written from the rules themselves (`python -m immunomon.cli.docs`); the tests break every one of
them on purpose and see it found.

```
immunomon check-delivery deliveries/2                        # a table of what is wrong, where, and what to do
immunomon check-delivery deliveries/2 --json > found.json    # the same for machines
immunomon check-delivery deliveries/2 --beside deliveries/3  # transport files against Dataset-JSON, value by value
```

The checker reads the files as they lie there (transport files by their bytes and by pyreadstat, Dataset-JSON,
Define-XML, CSV, workbooks, the manifest) and knows the guides from a list of its own, not from what writes deliveries;
only CDISC's cell phenotype terms are shared. A file that cannot be read is a finding. Folders of others can be checked,
too: all that they then lack is what immunomon itself adds, such as the manifest.

It is a second pair of eyes, and no validation service: rules of agencies that are not below are not checked. Sources
name the part of the standard; sections of guides are given as they are commonly cited. **[M]** marks what is common
practice in the field rather than read in the standard: to be confirmed before anyone treats it as authority.
"""


def rules_document() -> str:
    """Return the page: every rule with number, severity, sentence, what it looks at, source, and what to do."""
    severities = [rule.severity for rule in RULES.values()]
    head = _HEAD.format(count=len(RULES), errors=severities.count("error"), warnings=severities.count("warning"))
    return "\n".join([head, *(line for family in FAMILIES for line in _section(family))])


def _section(family: Family) -> Iterable[str]:
    yield f"## {family.name[0].upper()}{family.name[1:]}\n"
    yield "| rule | severity | looks at | what must be | source | if not |"
    yield "|---|---|---|---|---|---|"
    yield from (_line(rule) for rule in family.rules)
    yield ""


def _line(rule: Rule) -> str:
    scope = rule.scope.words + (f", with {', '.join(rule.needs)}" if rule.needs else "")
    cells = (rule.number, rule.severity, scope, rule.says, rule.source, rule.remedy)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def write_rules_document(path: Path) -> None:
    """Write the page, whole or not at all."""
    write_whole(path, rules_document())
