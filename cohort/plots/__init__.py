"""Tidy frames in, matplotlib Axes out; no module here knows a model."""
