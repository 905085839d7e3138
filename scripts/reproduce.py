"""Run the cells of a bundle's results table, and build the tables from them: the same as ``registration reproduce``.

python scripts/reproduce.py --help
"""

from functools import partial

from common.commands.cli import run

main = partial(run, "reproduce")

if __name__ == "__main__":
    main()
