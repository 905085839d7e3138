"""The command ``registration``: one word chooses what to do, and only that part is loaded.

Help is read from the source of a command, without what it imports: PyTorch and MONAI alone take seconds.
"""

import ast
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import fire

from ..words import did_you_mean

DISTRIBUTION = "registration-bundles"
HELP = ("-h", "--help")
INPUT_ERRORS = (ValueError, TypeError, OSError, MemoryError, ImportError)


@dataclass(frozen=True)
class Command:
    """A subcommand.

    Args:
        purpose: what it does, in half a line.
        module: in this folder.
        name: of its function, or of a dictionary literal with functions by name.
        checks_numbers: whether words that are no numbers are refused before the function is called.
    """

    purpose: str
    module: str
    name: str
    checks_numbers: bool = True

    def load(self) -> Callable | dict[str, Callable]:
        """The function, or the functions."""
        return getattr(import_module(f"{__package__}.{self.module}"), self.name)

    def outline(self) -> Callable | dict[str, Callable]:
        """The same without its imports: functions with signature and docstring that do nothing."""
        source = Path(find_spec(f"{__package__}.{self.module}").origin).read_text(encoding="utf-8")
        return outline(source, self.name)


COMMANDS = {
    "register": Command("bring a moving image onto a fixed one; lists of pairs", "register", "register", False),
    "template": Command("mean shape and intensity of several images", "groups", "template"),
    "series": Command("all frames of a motion series onto one of them", "groups", "series"),
    "apply": Command("transform an image, a label map or landmarks", "apply", "apply"),
    "invert": Command("the inverse of transforms", "transforms", "invert"),
    "compose": Command("several transforms as one", "transforms", "compose"),
    "jacobian": Command("the local change of volume", "transforms", "jacobian"),
    "convert": Command("transforms for ITK, ANTs, 3D Slicer or FSL", "transforms", "convert"),
    "evaluate": Command("score the weights of a bundle on a data set", "evaluate", "evaluate"),
    "prepare": Command("put a data set in the layout that bundles read", "prepare", "DATA_SETS"),
    "reproduce": Command("train and score what the tables of a bundle hold", "reproduce", "reproduce"),
    "package": Command("make self-contained bundles", "package", "package_bundle"),
}


def outline(source: str, name: str) -> Callable | dict[str, Callable]:
    """A function of a module, or a dictionary of functions, without running the module.

    Args:
        source: of the module.
        name: of the function, or of a dictionary literal whose values are functions of the module.

    Returns:
        Functions with the parameters, literal defaults and docstrings of those in the source.

    Example:
        >>> import inspect
        >>> inspect.signature(outline("import slow\\ndef f(size: int = 3): return slow.g(size)", "f"))
        <Signature (size: int = 3)>
    """
    body = ast.parse(source).body
    functions = {node.name: node for node in body if isinstance(node, ast.FunctionDef)}
    if name in functions:
        return _idle(functions[name])
    (dictionary,) = [
        node.value for node in body if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name
    ]
    items = zip(dictionary.keys, dictionary.values, strict=True)
    return {ast.literal_eval(key): _idle(functions[value.id]) for key, value in items}


def _idle(function: ast.FunctionDef) -> Callable:
    function.body, function.decorator_list = function.body[:1], []
    space: dict[str, Any] = {"Any": Any}
    exec(compile(ast.Module([function], []), "outline", "exec"), space)
    return space[function.name]


def main(words: list[str] | None = None) -> None:
    """Run ``registration`` with the words of a command line.

    Args:
        words: the subcommand and its options; None takes those of ``sys.argv``.

    Raises:
        SystemExit: as :func:`run`; 2 for an unknown command.
    """
    words = sys.argv[1:] if words is None else words
    if words[:1] == ["--version"]:
        print(f"{DISTRIBUTION} {version(DISTRIBUTION)}")
    elif not words or words[0] in HELP:
        print(usage())
    elif words[0] in COMMANDS:
        run(words[0], words[1:])
    else:
        print(f"error: there is no command {words[0]}, {did_you_mean(words[0], COMMANDS)}", file=sys.stderr)
        sys.exit(2)


def run(name: str, words: list[str] | None = None) -> None:
    """Run one command.

    Args:
        name: of the command.
        words: its options; None takes those of ``sys.argv``.

    Raises:
        SystemExit: 0 after help, 1 for input that is wrong, 2 for a word that is, or what the command itself says.
    """
    words, command = sys.argv[1:] if words is None else words, COMMANDS[name]
    if any(word in HELP for word in words):
        component = command.outline()
        chosen = words[:1] if isinstance(component, dict) and words[0] in component else []
        fire.Fire({name: component}, command=[name, *chosen, "--", "--help"], name="registration")
        return
    from ..tools.command_line import run_command

    warnings.filterwarnings("ignore", category=FutureWarning)
    try:
        run_command(command.load(), words, command.checks_numbers)
    except INPUT_ERRORS as error:
        print(f"error: {error or type(error).__name__}", file=sys.stderr)
        sys.exit(1)


def usage() -> str:
    """All commands, one per line.

    Example:
        >>> usage().splitlines()[0]
        'usage: registration COMMAND --option value …'
    """
    width = max(map(len, COMMANDS))
    return "\n".join(
        [
            "usage: registration COMMAND --option value …",
            "",
            *(f"  {name:<{width}}  {command.purpose}" for name, command in COMMANDS.items()),
            "",
            "registration COMMAND --help tells its options, registration --version the version.",
        ]
    )
