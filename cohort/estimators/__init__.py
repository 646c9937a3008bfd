"""Arrays in, frozen dataclass out; no pandas, no plots."""
