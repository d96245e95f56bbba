"""`python -m ndiyan` is the command `ndiyan`."""

from ndiyan.cli import main

main()
