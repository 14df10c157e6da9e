"""The trial's other assessments: platelets, cells in blood, antibodies, viruses, adverse events, dose escalation."""
