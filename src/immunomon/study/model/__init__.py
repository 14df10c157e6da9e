"""The nouns of a study: frozen values without input or output."""
