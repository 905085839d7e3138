"""What a finished run says: where its files are, and the commands that go on from there."""

import inspect
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..distributed import process_rank

SCORED_DATA = ("bundle_root", "dataset_dir", "val_subjects", "val_fraction", "split_seed", "num_sample_subjects")
SCORED_DATA += ("val_prefixes", "score_landmarks_only", "fold", "num_folds", "num_sample_points", "with_landmarks")
"""Options of a training that its weights do not carry: an evaluation needs those that were given once more."""
WEIGHTS = "model.pt"


def after_training(bundle_root: str, output_dir: str, overlay: str = "") -> None:
    """Print where a training's files are, and how its weights are looked at, scored and used.

    Args:
        bundle_root: folder of the bundle.
        output_dir: folder of the run.
        overlay: config that chooses the data, which an evaluation needs after its own.
    """
    lines = _files(output_dir, {WEIGHTS: "weights", "training.pt": "to --resume"})
    lines.append(f"look at it: tensorboard --logdir {_shown(output_dir)}")
    if Path(output_dir, WEIGHTS).is_file():
        weights = ["--ckpt_path", _shown(Path(output_dir, WEIGHTS))]
        files = [_config(bundle_root, name) for name in ("train.json", "evaluate.json", overlay) if name]
        listed = "[" + ",".join(f"'{name}'" for name in files) + "]"
        lines.append(f"score it:   {_command('evaluating', listed, weights)}")
        lines.append(f"use it:     {_registering(bundle_root, weights)}")
    _tell(lines)


def after_evaluation(bundle_root: str, output_dir: str, ckpt_path: str) -> None:
    """Print where an evaluation's files are, and how its weights are used.

    Args:
        bundle_root: folder of the bundle.
        output_dir: folder of the run.
        ckpt_path: the weights that were scored.
    """
    described = {"scores.csv": "a row per case", "metrics.json": "means and settings"}
    lines = [*_files(output_dir, described), f"look at it: tensorboard --logdir {_shown(output_dir)}"]
    _tell([*lines, f"use it:     {_registering(bundle_root, ['--ckpt_path', _shown(ckpt_path)])}"])


def after_registration(bundle_root: str, output_dir: str) -> None:
    """Print where the files of registered pairs are, and how to refine and to score a pair.

    Args:
        bundle_root: folder of the bundle.
        output_dir: folder of the run.
    """
    found = sorted(Path(output_dir).rglob("field.nii.gz"))
    folders = _shown(found[0].parent) if len(found) == 1 else f"{len(found)} folders in {_shown(output_dir)}"
    names = sorted({path.name for folder in found for path in folder.parent.glob("*.nii.gz")})
    lines = [f"files: {folders}: {', '.join(names)}"]
    if Path(bundle_root, "..", "..", "scripts", "register.py").is_file():
        pairs = str(given_options().get("dataset_dir") or "")
        words = ["python", "scripts/register.py", *(["--pairs", pairs] if pairs else _pair()), "--output_dir", "out"]
        words += ["--bundle", Path(bundle_root).resolve().name, "--refine", "50"]
        lines.append(f"with scores, a page to look at, and more steps: {_joined(words)}")
    _tell(lines)


def given_options() -> dict[str, Any]:
    """Options of the ``python -m monai.bundle run`` that is running; none elsewhere."""
    for frame in inspect.stack(context=0):
        variables = frame.frame.f_locals
        if frame.function == "run" and "config_file" in variables and isinstance(variables.get("override"), dict):
            return variables["override"]
    return {}


def _files(output_dir: str, described: dict[str, str]) -> list[str]:
    found = [f"{name} ({text})" for name, text in described.items() if Path(output_dir, name).is_file()]
    return [f"files: {_shown(output_dir)}: {', '.join(found) or 'none'}"]


def _registering(bundle_root: str, weights: list[str]) -> str:
    return _command("registering", _config(bundle_root, "inference.json"), [*weights, *_pair()], ("bundle_root",))


def _command(run_id: str, config: str, words: Iterable[str], repeated: Iterable[str] = SCORED_DATA) -> str:
    given = given_options()
    for name in repeated:
        if given.get(name) not in (None, ""):
            words = [*words, f"--{name}", _shown(given[name]) if name == "dataset_dir" else str(given[name])]
    return _joined(["python", "-m", "monai.bundle", "run", run_id, "--config_file", config, *words])


def _pair() -> list[str]:
    given = given_options()
    return [
        "--fixed",
        str(given.get("fixed") or "FIXED.nii.gz"),
        "--moving",
        str(given.get("moving") or "MOVING.nii.gz"),
    ]


def _config(bundle_root: str, name: str) -> str:
    return _shown(Path(bundle_root, "configs", name))


def _shown(path: str | Path) -> str:
    """The path from the working directory where it lies below, else the absolute one."""
    path = Path(path).absolute()
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def _joined(words: Iterable[str]) -> str:
    """Words as a shell takes them; lists, which hold single quotes, in double ones."""
    return " ".join(f'"{word}"' if word.startswith("[") else shlex.quote(word) for word in words)


def _tell(lines: list[str]) -> None:
    if process_rank() == 0:
        print("", *lines, sep="\n", flush=True)
