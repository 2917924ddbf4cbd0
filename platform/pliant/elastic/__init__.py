"""Sub-networks of an elastic encoder: their names and, later, their schedules and fronts."""
