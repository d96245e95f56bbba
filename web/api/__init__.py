"""The REST API under `/api/v1`: what pages show, for programs."""
