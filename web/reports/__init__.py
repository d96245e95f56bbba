"""Reports of a month or a year: figures, their freezing, and the sheets made of them."""
