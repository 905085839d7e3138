"""Register any pair of images, or a list of them: the same as ``registration register``.

python scripts/register.py --help
"""

from functools import partial

from common.commands.cli import run

main = partial(run, "register")

if __name__ == "__main__":
    main()
