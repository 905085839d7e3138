"""A bundle's model card as it stands in its package, and as Hugging Face shows it."""

import posixpath
import re
from collections.abc import Collection, Mapping
from typing import Any

from .configs import SOURCE, code_name, renamed

_LINK = re.compile(r"(!?)\[([^\]]*)\]\((?!https?:|mailto:|#)([^)#\s]+)(#[^)\s]*)?\)")
_COMMANDS = re.compile(r"```(?:bash|sh|shell)\n(.*?)```\n*", flags=re.DOTALL)
_SENTENCE_END = re.compile(r"[.!?]\s|\n\n")
_REPOSITORY_COMMANDS = ("python scripts/", "pip install -e")
_USE = """
## Run this package

In this folder, with the package versions that it was made with:

```bash
pip install {requirements}
python -m monai.bundle run --config_file configs/inference.json
python -m monai.bundle ckpt_export network_def --config_file configs/inference.json
```

`run` and `monai.bundle.load` work from any folder. `ckpt_export` and `verify_net_in_out` look for the weights and for
the metadata in the working directory; from elsewhere give them `--bundle_root` with this folder.
"""
_FRONT_MATTER = """---
license: apache-2.0
library_name: monai
tags:
- monai
- medical
- image-registration
---
"""


def package_card(card: str, bundle: str, metadata: Mapping[str, Any], files: Collection[str]) -> str:
    """Card for ``docs/README.md`` of a package.

    Names and paths become those of the package, commands of the repository go, links to files outside become text, and
    a section tells how to install and run.

    Args:
        card: text of ``bundles/<bundle>/docs/README.md``.
        bundle: name of the bundle.
        metadata: content of ``metadata.json``.
        files: paths in the package.

    Returns:
        Markdown.
    """
    text = _relinked(card, f"bundles/{bundle}/docs", "docs", _places(bundle, files))
    text = _without_repository_commands(text)
    text = renamed(text, bundle).replace(f"bundles/{bundle}/", "")
    return text.rstrip("\n") + "\n" + _USE.format(requirements=" ".join(requirements(metadata)))


def hugging_face_card(card: str, files: Collection[str]) -> str:
    """Card for the top folder of a package, where Hugging Face looks for it.

    Args:
        card: text of the package's ``docs/README.md``.
        files: paths in the package.

    Returns:
        Markdown with the Hub's front matter and links that start at the top folder.
    """
    return _FRONT_MATTER + _relinked(card, "docs", "", {file: file for file in files})


def requirements(metadata: Mapping[str, Any]) -> list[str]:
    """What pip has to install for a bundle.

    Example:
        >>> requirements({"pytorch_version": "2.13.0", "monai_version": "1.6.1", "numpy_version": "2.4.6",
        ...               "required_packages_version": {"fire": "0.7.1"}})
        ['torch==2.13.0', 'monai==1.6.1', 'numpy==2.4.6', 'fire==0.7.1']
    """
    base = {"torch": "pytorch_version", "monai": "monai_version", "numpy": "numpy_version"}
    versions = {name: metadata[key] for name, key in base.items()} | metadata["required_packages_version"]
    return [f"{name}=={version}" for name, version in versions.items()]


def _places(bundle: str, files: Collection[str]) -> dict[str, str]:
    """Path in the repository → path in the package."""
    code = code_name(bundle)
    return {
        f"{SOURCE}{file.removeprefix(code)}" if file.startswith(f"{code}/") else f"bundles/{bundle}/{file}": file
        for file in files
    }


def _relinked(text: str, folder: str, new_folder: str, places: Mapping[str, str]) -> str:
    def relink(match: re.Match) -> str:
        mark, label, target, anchor = match[1], match[2], match[3], match[4] or ""
        place = places.get(posixpath.normpath(posixpath.join(folder, target)))
        if place is None:
            return label
        return f"{mark}[{label}]({posixpath.relpath(place, new_folder or '.')}{anchor})"

    return _LINK.sub(relink, text)


def _without_repository_commands(text: str) -> str:
    """Without commands of the repository; a block that had no others goes with the sentence that announces it."""
    parts, end = [], 0
    for match in _COMMANDS.finditer(text):
        lines = match[1].splitlines(keepends=True)
        kept = [line for line in lines if not line.lstrip("$ ").startswith(_REPOSITORY_COMMANDS)]
        before, end = text[end : match.start()], match.end()
        if any(line.strip() for line in kept):
            parts += [before, match[0].replace(match[1], "".join(kept))]
        else:
            parts.append(_without_announcement(before))
    return "".join([*parts, text[end:]])


def _without_announcement(text: str) -> str:
    """Text without its last sentence, where that ends with a colon.

    Example:
        >>> _without_announcement("It is small. Run it so:\\n\\n")
        'It is small.\\n\\n'
    """
    body = text.rstrip()
    if not body.endswith(":"):
        return text
    ends = [match.end() for match in _SENTENCE_END.finditer(body)]
    return body[: ends[-1] if ends else 0].rstrip() + "\n\n"
