"""Command lines of the scripts: Fire, which is asked only after every word of the command has been understood.

Fire calls the function first and rejects what is left of the command afterwards: a misspelt option would run the whole
job with defaults.
"""

import inspect
import re
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import fire

from ..memory import is_out_of_memory, memory_sentence
from ..words import did_you_mean
from .typed_words import WordError, for_fire

HELP = ("-h", "--help")


class CommandError(ValueError):
    """A command line with a word that its function cannot take."""


def run_command(
    component: Callable | Mapping[str, Callable], words: Sequence[str] | None = None, checks_numbers: bool = True
) -> Any:
    """Call a function, or one of several, with the words of a command line.

    An option of text gets what was typed, see :func:`~.typed_words.for_fire`. A warning takes one line on stderr.

    Args:
        component: function whose parameters are the options; or functions by the command that chooses them.
        words: the options; None takes those of ``sys.argv``.
        checks_numbers: whether a word that is no number is refused for an option of one; a function that checks its
            numbers itself gets the word.

    Returns:
        What the function returns; Fire prints it too.

    Raises:
        SystemExit: 2 for an option that the function does not have, a value too many or none where one is needed, 1
            where memory does not suffice, after one line on stderr; 0 after -h or --help, wherever they stand.
    """
    warnings.showwarning = _show_warning
    try:
        given = sys.argv[1:] if words is None else list(words)
        words, is_help = _understood(component, given, checks_numbers)
        return fire.Fire(component, command=[*words, "--", "--help"] if is_help else words)
    except CommandError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        print(f"error: {memory_sentence(error)}", file=sys.stderr)
        sys.exit(1)


def words_for_fire(function: Callable, words: Sequence[str], checks_numbers: bool = True) -> list[str]:
    """Words of a command line as Fire is to get them; those that it would reject after the call are refused.

    Options have the forms that Fire takes: ``--name value``, ``--name=value``, ``--name`` for True, ``--noname`` for
    False, one dash in place of two, dashes for underscores, the first letter where only one name begins with it. A word
    that begins with a dash and no letter, such as -0.5, is a value; one dash alone, Fire's separator, is refused.

    Args:
        function: what will be called.
        words: of the command line.
        checks_numbers: see :func:`run_command`.

    Returns:
        Values, then options in the form ``--name=value``.

    Raises:
        CommandError: names the word, and the option that was perhaps meant.

    Example:
        >>> def register(fixed: str, report: bool = True): ...
        >>> words_for_fire(register, ["--fixed", "1.10", "--noreport"])
        ["--fixed='1.10'", '--noreport']
        >>> words_for_fire(register, ["head.nii.gz", "--reprot"])
        Traceback (most recent call last):
        common.tools.command_line.CommandError: there is no option --reprot, did you mean 'report'?
    """
    parameters = inspect.signature(function).parameters.values()
    known = {item.name: item for item in parameters if item.kind in (item.POSITIONAL_OR_KEYWORD, item.KEYWORD_ONLY)}
    takes_any_option = any(item.kind is item.VAR_KEYWORD for item in parameters)
    named, values, rest = [], [], list(words)
    while rest:
        word = rest.pop(0)
        if not _is_option(word):
            values.append(word)
            continue
        flag, sign, value = word.partition("=")
        if not sign:
            value = None if rest[:1] in ([], ["-"]) or _is_option(rest[0]) else rest.pop(0)
        name = flag.lstrip("-").replace("-", "_")
        named.append((flag, name if takes_any_option else _option(flag, name, value, list(known.values())), value))
        _check_switch(named[-1][1], value, list(known.values()))
    _check_values(values, {name for _, name, _ in named}, parameters)
    try:
        return [
            *_values_for_fire(values, {name for _, name, _ in named}, parameters, checks_numbers),
            *(_option_for_fire(flag, known.get(name), value, checks_numbers) for flag, name, value in named),
        ]
    except WordError as error:
        raise CommandError(str(error)) from error


def check_options(function: Callable, words: Sequence[str]) -> None:
    """Refuse what :func:`words_for_fire` refuses, but for numbers."""
    words_for_fire(function, words, checks_numbers=False)


def _option_for_fire(flag: str, option: inspect.Parameter | None, value: str | None, checks_numbers: bool) -> str:
    is_negated = option is not None and flag.lstrip("-").replace("-", "_") == f"no{option.name}"
    if option is not None and not is_negated:
        flag, value = f"--{option.name}", for_fire(option, value, checks_numbers)
    return flag if value is None else f"{flag}={value}"


def _values_for_fire(
    values: list[str], named: set[str], parameters: Sequence[inspect.Parameter], checks_numbers: bool
) -> list[str | None]:
    """Values before which no option stands, each for the next parameter that has none."""
    free = [item for item in parameters if item.kind is item.POSITIONAL_OR_KEYWORD and item.name not in named]
    free += [item for item in parameters if item.kind is item.VAR_POSITIONAL] * len(values)
    return [for_fire(option, value, checks_numbers) for option, value in zip(free, values, strict=False)]


def _understood(
    component: Callable | Mapping[str, Callable], words: list[str], checks_numbers: bool
) -> tuple[list[str], bool]:
    """Words for Fire, and whether help is asked for."""
    place = len(words) - 1 - words[::-1].index("--") if "--" in words else len(words)
    own, fires = words[:place], words[place:]
    commands = own[:1] if isinstance(component, Mapping) and own[:1] and own[0] in component else []
    function = component[commands[0]] if commands else component
    if any(word in HELP for word in own):
        return commands, True
    if isinstance(function, Mapping):
        return words, False
    return [*commands, *words_for_fire(function, own[len(commands) :], checks_numbers), *fires], False


def _show_warning(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
    print(f"warning: {' '.join(str(message).split())}", file=sys.stderr, flush=True)


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
