"""A bundle's configs as they stand in its package, where the code lies in the bundle's own folder."""

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from .vendor import imported_names

SOURCE = "common"
_MENTION = re.compile(rf"(?<![\w./]){SOURCE}(?=[./]\w)")
# MONAI puts the bundle on sys.path in `run` alone; `load` and `ckpt_export` know it by the config they were given.
_FILES = (
    "os.path.dirname(os.path.dirname(os.path.abspath(v))) for f in inspect.stack(0) "
    "for v in f.frame.f_locals.values() if isinstance(v, (str, os.PathLike)) and str(v).endswith('.json')"
)
_WORKFLOWS = (
    "str(f.frame.f_locals['self'].config_root_path.parent) for f in inspect.stack(0) "
    "if isinstance(f.frame.f_locals.get('self'), monai.bundle.ConfigWorkflow)"
)
_BUNDLE_ROOT = (
    "$next((p for p in ('.', *sys.path, *(" + _FILES + "), *(" + _WORKFLOWS + ")) "
    "if os.path.isdir(os.path.join(p, '{code}'))), '.')"
)
_CODE_PATH = "$sys.path.insert(1, os.path.abspath(@bundle_root))"
_CODE_PATH_NOTE = "makes {code} importable for commands that do not, such as ckpt_export"
_LOADING = "$any(f.function == 'load' and 'bundle_config_file' in f.frame.f_locals for f in inspect.stack(0))"
_LOADING_NOTE = "monai.bundle.load wants the network of the shipped weights, with the settings that they carry"


def code_name(bundle: str) -> str:
    """Top-level package of a packaged bundle: its own, since all bundles of a process share one ``sys.modules``.

    Example:
        >>> code_name("mcd_pemd")
        'mcd_pemd_common'
    """
    return f"{bundle}_{SOURCE}"


def renamed(text: str, bundle: str) -> str:
    """Replaces ``common.…`` and ``common/…`` by the names in the package.

    Example:
        >>> renamed("common.fields.ddf in common/fields, nothing in common.", "mine")
        'mine_common.fields.ddf in mine_common/fields, nothing in common.'
    """
    return _MENTION.sub(code_name(bundle), text)


def package_config(config: Mapping[str, Any], bundle: str) -> dict[str, Any]:
    """Rewrites one config of a bundle for its package.

    Every component of ours gets its new name and requires ``code_path``, which puts the bundle's folder on
    ``sys.path``; ``bundle_root`` becomes the folder that holds the code: on ``sys.path``, where MONAI's runner puts it,
    or above the config that a command was given. The network of a training takes the settings of the shipped weights
    where ``monai.bundle.load`` asks for it, and its own everywhere else.

    Args:
        config: content of the JSON file.
        bundle: name of the bundle.

    Returns:
        A new config.

    Raises:
        ValueError: where an expression names ``common``, which is importable for components only.

    Example:
        >>> package_config({"loss": {"_target_": "common.methods.mcd_pemd.projected_emd.ProjectedEMD"}}, "mine")
        {'loss': {'_target_': 'mine_common.methods.mcd_pemd.projected_emd.ProjectedEMD', '_requires_': '@code_path'}}
    """
    rewritten = _rewritten(config, bundle)
    if "carried" in config:
        rewritten |= _loadable(rewritten, bundle)
    if "bundle_root" not in rewritten:
        return rewritten
    packaged: dict[str, Any] = {}
    for key, value in rewritten.items():
        packaged[key] = value
        if key == "bundle_root":
            code = code_name(bundle)
            packaged["bundle_root"] = _BUNDLE_ROOT.format(code=code)
            packaged["code_path"] = _CODE_PATH
            packaged["_desc_code_path"] = _CODE_PATH_NOTE.format(code=code)
    needed = ("$import os", "$import sys", "$import inspect", "$import monai")
    packaged["imports"] = list(dict.fromkeys([*packaged.get("imports", []), *needed]))
    return {"imports": packaged.pop("imports"), **packaged}


def code_names(config: Any) -> Iterator[str]:
    """Dotted names that a config addresses: those of its components and of its import statements."""
    if isinstance(config, Mapping):
        if "." in str(config.get("_target_", "")):
            yield config["_target_"]
        config = list(config.values())
    if isinstance(config, list):
        for item in config:
            yield from code_names(item)
    elif isinstance(config, str) and config.startswith(("$import ", "$from ")):
        yield from imported_names(config[1:])


def _loadable(config: Mapping[str, Any], bundle: str) -> dict[str, Any]:
    """Entries of a training's config, see :func:`package_config`."""
    shipped = {
        "_target_": f"{code_name(bundle)}.weights.settings_of",
        "_requires_": "@code_path",
        "_disabled_": "$not @loading",
        "path": "$@bundle_root + '/models/model.pt'",
    }
    network = _replaced(config["network_def"], {f"@{name}" for name in config["carried"]})
    return {"loading": _LOADING, "_desc_loading": _LOADING_NOTE, "shipped": shipped, "network_def": network}


def _replaced(config: Any, references: Collection[str]) -> Any:
    if isinstance(config, Mapping):
        return {key: _replaced(value, references) for key, value in config.items()}
    return f"$@shipped['{config[1:]}'] if @loading else {config}" if config in references else config


def _rewritten(config: Any, bundle: str) -> Any:
    if isinstance(config, list):
        return [_rewritten(item, bundle) for item in config]
    if isinstance(config, str):
        if config.startswith("$") and _MENTION.search(config):
            raise ValueError(f"expected {SOURCE} to be named by a _target_ only, got the expression {config!r}")
        return renamed(config, bundle)
    if not isinstance(config, Mapping):
        return config
    content = {key: _rewritten(value, bundle) for key, value in config.items()}
    if str(content.get("_target_", "")).startswith(f"{code_name(bundle)}."):
        required = content.get("_requires_", [])
        required = required if isinstance(required, list) else [required]
        content["_requires_"] = ["@code_path", *required] if required else "@code_path"
    return content
