"""`python -m scopeline` is the `scopeline` command."""

from scopeline.cli import main

main()
