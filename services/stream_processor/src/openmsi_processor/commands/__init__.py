"""Words of the command `openmsi` that have to do with processors: trying them, starting one, running files again."""
