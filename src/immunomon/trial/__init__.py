"""The trial's answer: changes from baseline, tests, the other assessments, and what goes with what."""
