"""Synthetic registries with known truth."""
