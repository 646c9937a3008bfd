"""Publication tables and the writers that put them into documents."""
