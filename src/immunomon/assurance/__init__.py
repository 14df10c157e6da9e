"""How the program is held to account: simulated trials with known truth, validation, and independent recomputation."""
