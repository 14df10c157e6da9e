"""What a study is: its file, samples, panels, strategies, and what persons decided."""
