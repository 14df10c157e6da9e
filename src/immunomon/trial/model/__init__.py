"""The nouns of the trial's answer: plans of analyses and the contracts of its tables."""
