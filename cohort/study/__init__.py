"""Study population, endpoints, risk sets, guards and disclosure."""
