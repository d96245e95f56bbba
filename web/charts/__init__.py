"""Drawings for pages: pure functions from data to SVG text, without style or script of their own."""
