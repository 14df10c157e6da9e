"""Deliveries: what leaves the laboratory, in the form a data manager, a repository or a sponsor accepts."""
