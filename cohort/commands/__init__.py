"""The sub-commands of ``cohort``, one file per group."""
