"""``docs/delivery-rules.md``, written from the rules."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from immunomon.files import write_whole
from immunomon.outputs.conformance.book import Family, Rule
from immunomon.outputs.conformance.registry import FAMILIES, RULES

__all__ = ["rules_document", "write_rules_document"]

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
    yield from (_line(rule) for rule in family)
    yield ""


def _line(rule: Rule) -> str:
    scope = rule.scope.words + (f", with {', '.join(rule.needs)}" if rule.needs else "")
    cells = (rule.number, rule.severity, scope, rule.says, rule.source, rule.remedy)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def write_rules_document(path: Path) -> None:
    """Write the page, whole or not at all."""
    write_whole(path, rules_document())
