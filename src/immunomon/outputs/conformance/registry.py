"""All rules of deliveries, by number."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from immunomon.outputs.conformance.analysis import ANALYSIS
from immunomon.outputs.conformance.assays import ASSAYS
from immunomon.outputs.conformance.book import Family, Rule
from immunomon.outputs.conformance.cell_numbers import CELL_NUMBERS
from immunomon.outputs.conformance.cell_terms import CELL_TERMS
from immunomon.outputs.conformance.changes import CHANGES
from immunomon.outputs.conformance.definitions import DEFINITIONS
from immunomon.outputs.conformance.definitions_values import DEFINED_VALUES
from immunomon.outputs.conformance.domains import DOMAINS
from immunomon.outputs.conformance.formats import FORMATS
from immunomon.outputs.conformance.keys import KEYS
from immunomon.outputs.conformance.manifests import MANIFEST_RULES
from immunomon.outputs.conformance.markers import MARKERS
from immunomon.outputs.conformance.people import PEOPLE_RULES
from immunomon.outputs.conformance.persons import PERSONS
from immunomon.outputs.conformance.results import RESULTS
from immunomon.outputs.conformance.sources import SOURCES
from immunomon.outputs.conformance.structure import STRUCTURE
from immunomon.outputs.conformance.timing import TIMING
from immunomon.outputs.conformance.values import VALUES
from immunomon.outputs.conformance.variables import VARIABLES

__all__ = ["FAMILIES", "RULES", "rules_by_number"]

FAMILIES: tuple[Family, ...] = (
    *(STRUCTURE, MANIFEST_RULES, FORMATS, DEFINITIONS, DEFINED_VALUES, VARIABLES, VALUES, KEYS, TIMING, RESULTS),
    *(CELL_TERMS, CELL_NUMBERS, MARKERS, DOMAINS, ASSAYS, ANALYSIS, CHANGES, SOURCES, PEOPLE_RULES, PERSONS),
)


def rules_by_number(families: Iterable[Family]) -> Mapping[str, Rule]:
    """Return the rules of some families by number; raises ValueError if a number is there twice."""
    rules: dict[str, Rule] = {}
    for rule in (rule for family in families for rule in family):
        if rule.number in rules:
            raise ValueError(f"there are two rules {rule.number}")
        rules[rule.number] = rule
    return MappingProxyType(rules)


RULES = rules_by_number(FAMILIES)
