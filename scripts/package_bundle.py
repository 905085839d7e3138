"""Build self-contained zips of bundles: the same as ``registration package``.

python scripts/package_bundle.py --help
"""

from functools import partial

from common.commands.cli import run

main = partial(run, "package")

if __name__ == "__main__":
    main()
