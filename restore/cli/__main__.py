"""python -m restore.cli."""

from . import main

main()
