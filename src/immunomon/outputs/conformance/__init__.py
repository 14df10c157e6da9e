"""The rules that a delivery keeps, and a checker that reads it as a receiver would: by nothing that wrote it."""
