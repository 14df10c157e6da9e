"""Everything that can be known to be wrong before a run: specs, the sample list, and what the FCS headers say."""
