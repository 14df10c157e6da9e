"""All rules of deliveries, by number."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from immunomon.delivery.rules.analysis import ANALYSIS
from immunomon.delivery.rules.assays import ASSAYS
from immunomon.delivery.rules.book import Family, Rule
from immunomon.delivery.rules.cell_numbers import CELL_NUMBERS
from immunomon.delivery.rules.cell_terms import CELL_TERMS
from immunomon.delivery.rules.changes import CHANGES
from immunomon.delivery.rules.definitions import DEFINITIONS
from immunomon.delivery.rules.definitions_values import DEFINED_VALUES
from immunomon.delivery.rules.domains import DOMAINS
from immunomon.delivery.rules.formats import FORMATS
from immunomon.delivery.rules.keys import KEYS
from immunomon.delivery.rules.manifests import MANIFEST_RULES
from immunomon.delivery.rules.markers import MARKERS
from immunomon.delivery.rules.people import PEOPLE_RULES
from immunomon.delivery.rules.persons import PERSONS
from immunomon.delivery.rules.results import RESULTS
from immunomon.delivery.rules.sources import SOURCES
from immunomon.delivery.rules.structure import STRUCTURE
from immunomon.delivery.rules.timing import TIMING
from immunomon.delivery.rules.values import VALUES
from immunomon.delivery.rules.variables import VARIABLES

__all__ = ["FAMILIES", "RULES", "rules_by_number"]

FAMILIES: tuple[Family, ...] = (
    *(STRUCTURE, MANIFEST_RULES, FORMATS, DEFINITIONS, DEFINED_VALUES, VARIABLES, VALUES, KEYS, TIMING, RESULTS),
    *(CELL_TERMS, CELL_NUMBERS, MARKERS, DOMAINS, ASSAYS, ANALYSIS, CHANGES, SOURCES, PEOPLE_RULES, PERSONS),
)


def rules_by_number(families: Iterable[Family]) -> Mapping[str, Rule]:
    """Return the rules of some families by number; raises ValueError if a number is there twice."""
    found: dict[str, Rule] = {}
    for rule in (rule for family in families for rule in family):
        if rule.number in found:
            raise ValueError(f"there are two rules {rule.number}")
        found[rule.number] = rule
    return MappingProxyType(found)


RULES = rules_by_number(FAMILIES)
