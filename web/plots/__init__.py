"""The plots of the pages: each with its question, unit, coverage, reference, a sentence and a table."""
