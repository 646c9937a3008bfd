"""The clinical domain: ICANS, CRS, scores, MRI findings and their linkage."""
