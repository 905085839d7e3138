"""Trainings of the bundles on the images of MONAI Label's datastore; registrations take the new weights."""

import json
import logging
import os
import re
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from apps.monailabel.studies import trained_weights, weights_place
from common.files import read_dataset_json, write_atomically, write_json
from common.weights import read_weights, settings_of

ROOT = Path(__file__).resolve().parents[2]
BUNDLES = ROOT / "bundles"
FINAL = "final"  # tag of the labels that MONAI Label trains with
TUNE_SHARE = 0.2
_ID = re.compile(r"\w[\w.-]*", re.ASCII)
_ERROR = re.compile(r"[\w.]*(Error|Exception): ")
_FOLDERS = re.compile(r"/(?:[^/\s'\"]+/)+")  # a client needs no path of the server
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Recipe:
    """How a bundle's shipped weights were trained, which is how they are trained further.

    Attributes:
        max_epochs: that a request gets which names none.
        contrasts: two of each subject, whose ids end in ``_CONTRAST``; empty where one image is a subject.
        overlays: merged over ``train.json``.
        continued: merged too where the training goes on from weights.
        settings: of ``train.json``.
        unlabeled: what replaces the scores of a validation on images without labels.
    """

    max_epochs: int
    contrasts: tuple[str, ...] = ()
    overlays: tuple[str, ...] = ()
    continued: tuple[str, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)
    unlabeled: dict[str, Any] = field(default_factory=dict)


RECIPES = {
    "wasserstein_voxelmorph": Recipe(
        12,
        overlays=("diffeomorphic.json",),
        continued=("passes.json",),
        unlabeled={"validate#additional_metrics#names": ["folding_fraction", "sdlogj"]},
    ),
    "cyclical_self_training": Recipe(
        10,
        overlays=("hippocampus.json", "fine.json"),
        unlabeled={
            "validate#additional_metrics#names": ["folding_fraction"],
            "validate#key_metric": {"sdlogj": {"_target_": "common.metrics.scores.MeanScore", "name": "sdlogj"}},
        },
    ),
    "mine_voxelmorph": Recipe(
        4,
        contrasts=("T1", "FLAIR"),
        settings={
            "learning_rate": 0.0005,
            "statistics_learning_rate": 0.01,
            "beta1": 0.9,
            "max_gradient_norm": 1.0,
            "final_rate": 0.02,
        },
    ),
    "mcd_pemd": Recipe(4, contrasts=("T1", "T2")),
}
REFUSED = {
    "cyclical_self_training_points": "it learns from keypoint clouds of two breathing phases of one chest, which a "
    "datastore of images does not hold; python -m monai.bundle run training trains it on a folder of clouds",
    "any_contrast": "it learns from generated pairs, not from images; python -m monai.bundle run training trains it",
}


def trainers(app: Any) -> dict[str, "BundleTraining"]:
    """One training for each bundle that can be trained on images; ``REFUSED`` names the others, with the reason.

    Args:
        app: the app, a ``MONAILabelApp``, whose ``studies`` is a folder.

    Returns:
        Name of the bundle → its training, a ``TrainTask`` to MONAI Label.
    """
    from monailabel.interfaces.tasks.train import TrainTask

    TrainTask.register(BundleTraining)
    return {name: BundleTraining(name, app.studies) for name in RECIPES if (BUNDLES / name).is_dir()}


class BundleTraining:
    """The training of one bundle as MONAI Label calls it: in a process of its own, in a temporary folder.

    The weights that registrations use are replaced when the run is complete, in one step; those of the repository are
    never touched.

    Args:
        bundle: name of the bundle.
        studies: folder of the datastore, which gets ``weights/<bundle>.pt``.
    """

    def __init__(self, bundle: str, studies: str | Path) -> None:
        self.bundle, self.studies, self.recipe = bundle, Path(studies), RECIPES[bundle]
        metadata = read_dataset_json(BUNDLES / bundle / "configs" / "metadata.json")
        self.description, self.version = metadata["description"], metadata["version"]

    def info(self) -> dict[str, Any]:
        """What clients show."""
        return {"description": self.description, "version": self.version, "config": self.config()}

    def config(self) -> dict[str, Any]:
        """Options of a request and their defaults; ``images`` are ids with commas between, empty for all."""
        return {"max_epochs": self.recipe.max_epochs, "pretrained": True, "num_pairs": 0, "images": ""}

    def stats(self) -> dict[str, Any]:
        """Nothing is counted."""
        return {}

    def check(self, request: Mapping[str, Any], datastore: Any) -> dict[str, Any]:
        """Everything that the run overrides in the bundle's configs.

        Args:
            request: options of :meth:`config`.
            datastore: of MONAI Label.

        Returns:
            Content of a config that is merged last.

        Raises:
            ValueError: where the training cannot be; says why, without any path.
        """
        options = {**self.config(), **request}
        max_epochs = _whole("max_epochs", options["max_epochs"], 1)
        num_pairs = _whole("num_pairs", options["num_pairs"], 0)
        if not isinstance(options["pretrained"], bool):
            raise ValueError(f"pretrained: expected true or false, got {options['pretrained']!r}")
        subjects = self._subjects(_chosen_ids(options["images"], datastore), datastore)
        fit, tune = split_of(subjects)
        start = str(trained_weights(self.studies, self.bundle) or BUNDLES / self.bundle / "models" / "model.pt")
        settings = {**self.recipe.settings, **settings_of(start), "pick#dataset_dir": str(self.studies)}
        settings |= self._lengths(max_epochs, num_pairs, len(fit))
        settings |= {"init_path": start if options["pretrained"] else ""}
        settings |= {} if "label" in tune[0] else self.recipe.unlabeled
        return {**settings, "train#dataset#data": fit, "validate#dataset#data": tune}

    def __call__(self, request: Mapping[str, Any], datastore: Any) -> dict[str, Any]:
        """Train, and replace the weights that registrations use.

        Raises:
            ValueError: see :meth:`check`.
            RuntimeError: where the run failed; tells its last line. The weights are then as they were.
        """
        config = self.check(request, datastore)
        overlays = self.recipe.overlays + (self.recipe.continued if config["init_path"] else ())
        files = [str(BUNDLES / self.bundle / "configs" / name) for name in ("train.json", *overlays)]
        with tempfile.TemporaryDirectory(prefix=f"{self.bundle}-") as folder:
            places = {"bundle_root": str(BUNDLES / self.bundle), "output_dir": folder}
            write_json(Path(folder) / "datastore.json", {**config, **places})
            _run([*files, f"{folder}/datastore.json"])
            weights = Path(folder) / "model.pt"
            _check_finite(weights)
            content = weights.read_bytes()
        write_atomically(weights_place(self.studies, self.bundle), lambda stream: stream.write(content))
        logger.info("%s: registrations use the new weights", self.bundle)
        return {"weights": f"{self.bundle}.pt", "images": len(config["train#dataset#data"])}

    def _subjects(self, names: Sequence[str], datastore: Any) -> list[dict[str, str]]:
        """Entries of ``train#dataset#data``."""
        if not self.recipe.contrasts:
            return _labeled([{"subject": name, "image": datastore.get_image_uri(name)} for name in names], datastore)
        found: dict[str, dict[str, str]] = {}
        for name in names:
            subject, _, contrast = name.rpartition("_")
            if subject and contrast in self.recipe.contrasts:
                found.setdefault(subject, {"subject": subject})[contrast] = datastore.get_image_uri(name)
        whole = [entry for entry in found.values() if set(self.recipe.contrasts) <= entry.keys()]
        if not whole:
            ids = " and ".join(f"SUBJECT_{contrast}" for contrast in self.recipe.contrasts)
            raise ValueError(
                f"{self.bundle} learns from two contrasts: expected images of each subject with the ids {ids}, "
                f"got {', '.join(names[:6])}"
            )
        return whole

    def _lengths(self, max_epochs: int, num_pairs: int, num_subjects: int) -> dict[str, int]:
        """Settings for the length of a run. An epoch of self-training is a tenth of its one stage."""
        if self.bundle != "cyclical_self_training":
            return {"max_epochs": max_epochs} | ({"num_pairs": num_pairs} if num_pairs else {})
        overlay = read_dataset_json(BUNDLES / self.bundle / "configs" / "fine.json")
        most = num_subjects * (num_subjects - 1)
        return {
            "num_stages": 1,
            "epochs_per_stage": max_epochs,
            "num_iterations": max_epochs * (overlay["num_iterations"] // 10),
            "num_pairs": min(num_pairs or 290, most),
        }


def split_of(subjects: Sequence[Mapping[str, str]]) -> tuple[list, list]:
    """Subjects to train on and to validate on: a fifth of them, at least two; all for both where there are under four.

    Raises:
        ValueError: for fewer than two subjects.

    Example:
        >>> fit, tune = split_of([{"subject": name} for name in "abcde"])
        >>> len(fit), len(tune)
        (3, 2)
    """
    if len(subjects) < 2:
        raise ValueError(f"expected at least two images or subjects to train on, got {len(subjects)}")
    subjects = list(subjects)
    num_tune = max(2, round(TUNE_SHARE * len(subjects)))
    return (subjects[num_tune:], subjects[:num_tune]) if len(subjects) >= 4 else (subjects, subjects)


def _chosen_ids(images: str | Sequence[str], datastore: Any) -> list[str]:
    known = sorted(datastore.list_images())
    names = images.split(",") if isinstance(images, str) else images
    names = list(dict.fromkeys(name.strip() for name in names if str(name).strip())) or known
    unknown = [name for name in names if name not in known or not _ID.fullmatch(name)]
    if unknown:
        raise ValueError(f"images: expected ids of the datastore, got {unknown[0][:80]!r}")
    return names


def _labeled(entries: list[dict[str, str]], datastore: Any) -> list[dict[str, str]]:
    """The images with their final labels where all have one: a validation scores every pair alike."""
    labels = [datastore.get_label_uri(entry["subject"], FINAL) for entry in entries]
    return [entry | {"label": label} for entry, label in zip(entries, labels, strict=True)] if all(labels) else entries


def _whole(name: str, value: Any, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= 10**6:
        raise ValueError(f"{name}: expected a whole number from {least} to 1000000, got {value!r}")
    return value


def _run(files: Sequence[str]) -> None:
    """``python -m monai.bundle run training`` with these configs; its lines go to the log."""
    command = [sys.executable, "-m", "monai.bundle", "run", "training", "--config_file", json.dumps(files)]
    paths = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    lines: deque[str] = deque(maxlen=1)
    errors: list[str] = []
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "errors": "replace"}
    with subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": paths}, **options) as process:
        for line in filter(str.strip, process.stdout or ()):
            logger.info(line.rstrip())
            lines.append(line.strip())
            errors += [line.strip().removeprefix("error: ")] if _ERROR.match(line) or line.startswith("error: ") else []
    if process.returncode:
        reason = (errors or list(lines) or ["it ended without a word"])[0]  # of a chain of errors the cause comes first
        raise RuntimeError(f"the training failed: {_FOLDERS.sub('', reason)}")


def _check_finite(weights: Path) -> None:
    if not weights.is_file():
        raise RuntimeError("the training left no weights")
    if not all(bool(value.isfinite().all()) for value in read_weights(weights).values()):
        raise RuntimeError("the training diverged: its weights are not finite")
