"""The files of a new study folder, as ``immunomon init`` writes them."""
