"""From an FCS file to counts: formats, compensation, scales, quality control, gates, consensus, gate error."""
