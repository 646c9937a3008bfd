"""The study file, its run, and what a run writes: report, manifest, checklists."""
