"""Command lines of the scripts: Fire, which is asked only after every word of the command has been understood.

Fire calls the function first and rejects what is left of the command afterwards: a misspelt option would run the whole
job with defaults.
"""

import inspect
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import fire

from ..words import did_you_mean

HELP = ("-h", "--help")


class CommandError(ValueError):
    """A command line with a word that its function cannot take."""


def run_command(component: Callable | Mapping[str, Callable]) -> Any:
    """Call a function, or one of several, with the options of ``sys.argv``.

    Args:
        component: function whose parameters are the options; or functions by the command that chooses them.

    Returns:
        What the function returns; Fire prints it too.

    Raises:
        SystemExit: 2 for an option that the function does not have or a value too many, after one line on stderr; 0
            after -h or --help, wherever they stand.
    """
    try:
        words, is_help = _understood(component, sys.argv[1:])
    except CommandError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    return fire.Fire(component, command=[*words, "--", "--help"] if is_help else words)


def check_options(function: Callable, words: Sequence[str]) -> None:
    """Refuse words of a command line that Fire would reject after the call.

    Options have the forms that Fire takes: ``--name value``, ``--name=value``, ``--name`` for True, ``--noname`` for
    False, one dash in place of two, dashes for underscores, the first letter where only one name begins with it. A word
    that begins with a dash and no letter, such as -0.5, is a value; one dash alone, Fire's separator, is refused.

    Args:
        function: what will be called.
        words: of the command line.

    Raises:
        CommandError: names the word, and the option that was perhaps meant.

    Example:
        >>> def register(fixed, report=True): ...
        >>> check_options(register, ["--fixed", "head.nii.gz", "--noreport"])
        >>> check_options(register, ["head.nii.gz", "--reprot"])
        Traceback (most recent call last):
        common.tools.command_line.CommandError: there is no option --reprot, did you mean 'report'?
    """
    parameters = inspect.signature(function).parameters.values()
    options = [item for item in parameters if item.kind in (item.POSITIONAL_OR_KEYWORD, item.KEYWORD_ONLY)]
    takes_any_option = any(item.kind is item.VAR_KEYWORD for item in parameters)
    named, values, rest = set(), [], list(words)
    while rest:
        word = rest.pop(0)
        if not _is_option(word):
            values.append(word)
            continue
        flag, sign, value = word.partition("=")
        if not sign:
            value = None if rest[:1] in ([], ["-"]) or _is_option(rest[0]) else rest.pop(0)
        name = flag.lstrip("-").replace("-", "_")
        name = name if takes_any_option else _option(flag, name, value, options)
        _check_switch(name, value, options)
        named.add(name)
    _check_values(values, named, parameters)


def _understood(component: Callable | Mapping[str, Callable], words: list[str]) -> tuple[list[str], bool]:
    """Words for Fire, and whether help is asked for."""
    own = words[: len(words) - 1 - words[::-1].index("--")] if "--" in words else words  # the others are Fire's
    commands = own[:1] if isinstance(component, Mapping) and own[:1] and own[0] in component else []
    function = component[commands[0]] if commands else component
    if any(word in HELP for word in own):
        return commands, True
    if not isinstance(function, Mapping):
        check_options(function, own[len(commands) :])
    return words, False


def _is_option(word: str) -> bool:
    return re.match("--|-[a-zA-Z]", word) is not None


def _option(flag: str, name: str, value: str | None, options: list[inspect.Parameter]) -> str:
    """Name of the parameter that an option sets."""
    names = [option.name for option in options]
    if name in names:
        return name
    if name.startswith("no") and name[2:] in names:
        if value is not None:
            raise CommandError(f"{flag}: expected no value, got {value!r}")
        return name[2:]
    meant = [known for known in names if known[0] == name] if len(name) == 1 else []
    if len(meant) == 1:
        return meant[0]
    if meant:
        raise CommandError(f"{flag}: expected the first letter of one option, got that of {', '.join(meant)}")
    negated = [f"no{option.name}" for option in options if isinstance(option.default, bool)]
    known = names + negated if name.startswith("no") else names
    raise CommandError(f"there is no option {flag}, {did_you_mean(name, known)}")


def _check_switch(name: str, value: str | None, options: list[inspect.Parameter]) -> None:
    """Refuse words such as "false" for a switch: Fire passes them on as text, which counts as true."""
    is_switch = any(option.name == name and option.annotation is bool for option in options)
    if is_switch and value not in (None, "True", "False", "1", "0"):
        raise CommandError(f"--{name}: expected True, False, or --no{name} for False, got {value!r}")


def _check_values(values: list[str], named: set[str], parameters: Sequence[inspect.Parameter]) -> None:
    if any(item.kind is item.VAR_POSITIONAL for item in parameters):
        return
    free = [item for item in parameters if item.kind is item.POSITIONAL_OR_KEYWORD and item.name not in named]
    extra = values[len(free) :] or [value for value in values if value == "-"]
    if extra:
        raise CommandError(f"expected --name before every value, got {' '.join(extra)}, which no option takes")
