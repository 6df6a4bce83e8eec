"""The command `openmsi`: looking at and tending what the services do."""
