"""File formats: FCS, spillover matrices, memberships, tables."""
