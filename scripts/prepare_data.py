"""Put a data set on disk in the layout that the bundles read: the same as ``registration prepare``.

python scripts/prepare_data.py --help
"""

from functools import partial

from common.commands.cli import run

main = partial(run, "prepare")

if __name__ == "__main__":
    main()
