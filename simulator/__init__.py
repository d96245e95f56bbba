"""Zones that do not exist, with known truth."""
