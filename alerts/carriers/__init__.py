"""One adapter per SMS route."""
