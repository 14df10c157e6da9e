"""Python as its users know it: samples, gates and runs, and the functions that the commands of these names call."""
