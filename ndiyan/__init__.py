"""Puts the parts together: command line, settings, demo, embedded database and broker."""
