"""Options of a run: which may be given, and which of two defaults one takes that is not."""

import ast
import difflib
import inspect
import logging
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from monai.bundle import ConfigParser
from monai.bundle.utils import DEFAULT_MLFLOW_SETTINGS
from monai.utils import ensure_tuple

from .error_line import end_with_the_cause

logger = logging.getLogger(__name__)
_PICK = "$@pick("
_TRAINED = re.compile(r"\$@trained\['(\w+)'\]")
_TRACKING = {
    key: value
    for key, value in DEFAULT_MLFLOW_SETTINGS["configs"].items()
    if key not in DEFAULT_MLFLOW_SETTINGS["handlers_id"]
}  # entries that ``--tracking mlflow`` adds
_ALLOWED_ANYWHERE = ("_desc_", "_disabled_", "_mode_", "_requires_", "_debug_")


def check_overrides(config_folder: str) -> None:
    """Compare the running config with its files and refuse entries that no file declares.

    To be called before anything else is made, from ``initialize`` or as the first entry of what is run::

        "check_overrides": {
            "_target_": "common.training.overrides.check_overrides",
            "config_folder": "$@bundle_root + '/configs'"
        },
        "run": ["@check_overrides", "$@train#trainer.run()"]

    MONAI hands no parser to the parts of a config, so the one that is running is found on the call stack.
    Declared is what stands in the files named on the command line and in those files of the folder whose
    top-level entries are all present, that is, which were merged, and what ``--tracking mlflow`` adds. New arguments
    of a component (a dictionary with ``_target_``) pass; its signature checks them. Errors from here on end with their
    cause, see :mod:`~.error_line`.

    Args:
        config_folder: folder of the bundle's JSON configs.

    Raises:
        FileNotFoundError: if the folder holds no config.
        ValueError: naming the unknown entries and, where one is similar, the entry that was probably meant; or the
            values of another kind than declared, such as the text "true" for True.
        RuntimeError: if called from anywhere but a running config.
    """
    end_with_the_cause()
    files = sorted(path for path in Path(config_folder).glob("*.json") if path.name != "metadata.json")
    if not files:
        raise FileNotFoundError(f"expected the bundle's configs in {config_folder}, found none; give --bundle_root")
    parser, given = _running()
    config = parser.get()
    declared = [_TRACKING, *(ConfigParser.load_config_file(path) for path in [*files, *given])]
    unknown = unknown_entries(config, declared)
    if unknown:
        text = "; ".join(f"{name!r}{_suggestion(close)}" for name, close in unknown.items())
        raise ValueError(f"expected overrides of entries in {config_folder}, got {text}")
    trained = parser.get_parsed_content("trained") if "trained" in config else None
    wrong = values_of_another_kind(config, declared, trained)
    if wrong:
        raise ValueError("; ".join(wrong))


def values_of_another_kind(
    config: Mapping[str, Any], declared: list[Mapping[str, Any]], trained: Mapping[str, Any] | None = None
) -> list[str]:
    """Top-level switches and numbers that were overridden by a text, which every condition takes for true.

    Args:
        config: the merged config with its overrides, unparsed.
        declared: contents of the candidate files.
        trained: settings that the weights carry, for entries that are declared as ``$@trained['name']``.

    Returns:
        One message per entry.

    Example:
        >>> values_of_another_kind({"resume": "true"}, [{"resume": False}])
        ["resume: expected True or False, got 'true'"]
    """
    messages = []
    merged = [content for content in map(_nested, declared) if content.keys() <= config.keys()]
    for key, value in config.items():
        kinds = {_kind(content[key], trained or {}) for content in merged if key in content}
        if not isinstance(value, str) or value.startswith(("$", "@")) or str in kinds:
            continue
        if bool in kinds:
            messages.append(f"{key}: expected True or False, got {value!r}")
        elif kinds & {int, float}:
            messages.append(f"{key}: expected a number, got {value!r}")
    return messages


def _kind(value: Any, trained: Mapping[str, Any]) -> type | None:
    """Kind of a declared value; of ``$@pick(a, b)`` that of a, None where another expression decides."""
    if not isinstance(value, str) or not value.startswith(("$", "@")):
        return type(value)
    if value.startswith(_PICK):
        return type(ast.literal_eval(value[len(_PICK) - 1 :])[0])
    found = _TRAINED.fullmatch(value)
    return type(trained[found[1]]) if found and found[1] in trained else None


def unknown_entries(config: Mapping[str, Any], declared: list[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Entries of a config that none of the applicable files declares.

    Args:
        config: the merged config with its overrides, unparsed.
        declared: contents of the candidate files; one whose top-level entries are not all in ``config`` was
            not merged and is left out.

    Returns:
        Id of each unknown entry → similar declared entries, most similar first.

    Example:
        >>> unknown_entries({"max_epochs": 2, "max_epoch": 1}, [{"max_epochs": 2}])
        {'max_epoch': ['max_epochs']}
    """
    merged = [_nested(content) for content in declared]
    return dict(_unknown("", config, [content for content in merged if content.keys() <= config.keys()]))


def _unknown(prefix: str, config: Mapping[str, Any], declared: list[Mapping]) -> Iterator[tuple[str, list[str]]]:
    known = {key for content in declared for key in content}
    for key, value in config.items():
        if key == ConfigParser.meta_key or key in _ALLOWED_ANYWHERE:
            continue
        if key not in known:
            yield prefix + key, [prefix + close for close in difflib.get_close_matches(key, known)]
            continue
        inner = [content[key] for content in declared if isinstance(content.get(key), Mapping)]
        if inner and _is_section(value):
            yield from _unknown(f"{prefix}{key}#", value, inner)


def _is_section(value: Any) -> bool:
    """Whether an entry only groups others: a dictionary that is no component but holds dictionaries or lists."""
    if not isinstance(value, Mapping) or "_target_" in value:
        return False
    return any(isinstance(item, Mapping | list) for item in value.values())


def _nested(content: Mapping[str, Any]) -> dict[str, Any]:
    """Overlay entries such as "+train#handlers" declare the nested entry that they name."""
    nested: dict[str, Any] = {}
    for key, value in content.items():
        *parents, last = key.removeprefix("+").replace("::", "#").split("#")
        section = nested
        for parent in parents:
            section = section.setdefault(parent, {})
        section[last] = value
    return nested


def _running() -> tuple[ConfigParser, list[str]]:
    """Parser on the call stack, and the files given to ``python -m monai.bundle run``."""
    files: list[str] = []
    parser = None
    for frame in inspect.stack(context=0):
        variables = frame.frame.f_locals
        if parser is None and isinstance(variables.get("self"), ConfigParser):
            parser = variables["self"]
        if frame.function in ("create_workflow", "run") and variables.get("config_file"):
            files = list(ensure_tuple(variables["config_file"]))
    if parser is None:
        raise RuntimeError("expected check_overrides to be called from a config that is running, got another caller")
    return parser, files


def _suggestion(close: list[str]) -> str:
    return f" (did you mean {close[0]!r}?)" if close else ""


class Pick:
    """Chooses between the paper's value of a setting and that for the sample population; says in the log which.

    In a config: ``"pick": {"_target_": "common.training.overrides.Pick", "dataset_dir": "@dataset_dir"}`` and then
    ``"max_epochs": "$@pick(100, 4)"``.

    Args:
        dataset_dir: folder of the real data set; empty chooses what suits the sample population.

    Example:
        >>> Pick("data/Task04_Hippocampus")(100, 4), Pick("")(100, 4)
        (100, 4)
    """

    def __init__(self, dataset_dir: str) -> None:
        self.is_paper = bool(dataset_dir)
        source = "the paper's" if self.is_paper else "those for the sample population, as dataset_dir is empty"
        logger.info("settings of two values, where none is given: %s", source)

    def __call__(self, paper: Any, sample: Any) -> Any:
        """The first with a data set, the second without."""
        return paper if self.is_paper else sample
