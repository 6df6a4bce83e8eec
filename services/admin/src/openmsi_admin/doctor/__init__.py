"""`openmsi doctor`: looks at everything between the settings and the files, and says what to do."""
