"""`python -m ndiyan` is the command `ndiyan`."""

from ndiyan.entry import main

main()
