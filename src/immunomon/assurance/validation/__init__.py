"""Measure the product against a simulated truth: the figures of docs/validation.md, made anew by one command."""
