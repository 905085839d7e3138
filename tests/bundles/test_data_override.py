"""Every bundle trains on the files that `train#dataset#data` names, as MONAI Label and MONAI's properties have it."""

import json
import math
import shutil
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch
from ignite.engine import Events
from monai.bundle import ConfigWorkflow

from common.data.pairs import subject_name
from common.training.progress_bar import loss_terms

ROOT = Path(__file__).parents[2]
OVERRIDES = json.loads(Path(__file__).with_name("overrides.json").read_text(encoding="utf-8"))
KEYS = {
    "wasserstein_voxelmorph": {"image": "T1", "label": "label"},
    "cyclical_self_training": {"image": "T1", "label": "label"},
    "mine_voxelmorph": {"subject": "", "T1": "T1", "FLAIR": "FLAIR"},
    "mcd_pemd": {"subject": "", "T1": "T1", "T2": "T2"},
}
each_bundle = pytest.mark.parametrize("bundle", list(KEYS))


@pytest.fixture(scope="module")
def heads(tmp_path_factory):
    """Six folders with T1, T2, FLAIR and label, 40 × 48 × 40 voxels of 1 mm, of smooth noise."""
    folder, generator = tmp_path_factory.mktemp("heads"), torch.Generator().manual_seed(0)
    for number in range(6):
        (folder / f"head{number}").mkdir()
        for name in ("T1", "T2", "FLAIR", "label"):
            noise = torch.rand(1, 1, 10, 12, 10, generator=generator)
            image = 100 * torch.nn.functional.interpolate(noise, scale_factor=4, mode="trilinear")[0, 0]
            image = (image / 40).round() if name == "label" else image
            nibabel.save(nibabel.Nifti1Image(image.numpy(), np.eye(4)), folder / f"head{number}" / f"{name}.nii.gz")
    return folder


def subjects(heads, bundle, numbers):
    """Entries of the bundle's form."""
    names = [f"head{number}" for number in numbers]
    return [
        {key: str(heads / name / f"{file}.nii.gz") if file else name for key, file in KEYS[bundle].items()}
        for name in names
    ]


def trained(bundle, folder, **overrides):
    """The run of a copy of a bundle with two iterations, and its losses."""
    target = folder / bundle
    shutil.copytree(ROOT / "bundles" / bundle, target, ignore=shutil.ignore_patterns("runs"))
    small = OVERRIDES[bundle]["train"] | {"bundle_root": str(target)} | overrides
    workflow = ConfigWorkflow(str(target / "configs" / "train.json"), workflow_type="train", **small)
    workflow.initialize()
    losses = []
    workflow.trainer.add_event_handler(
        Events.ITERATION_COMPLETED, lambda engine: losses.extend(loss_terms(engine.state.output).values())
    )
    workflow.run()
    return workflow, losses


def causes(error):
    """Messages of an exception and of what led to it."""
    return "" if error is None else f"{error} {causes(error.__cause__)}"


@each_bundle
def test_a_training_reads_the_given_files(bundle, heads, tmp_path):
    fit, val = subjects(heads, bundle, range(4)), subjects(heads, bundle, (4, 5))
    data = {"train#dataset#data": fit, "validate#dataset#data": val}
    workflow, losses = trained(bundle, tmp_path, **data)
    assert losses
    assert all(map(math.isfinite, losses))
    settings = workflow.parser.get_parsed_content("train#settings")
    described = settings if "fit_subjects" in settings else workflow.parser.get_parsed_content("train#label_settings")
    assert described["fit_subjects"] == ", ".join(map(subject_name, fit))


@each_bundle
@pytest.mark.slow
def test_other_files_give_another_loss(bundle, heads, tmp_path):
    first, second = (
        trained(bundle, tmp_path / name, **{"train#dataset#data": subjects(heads, bundle, numbers)})[1]
        for name, numbers in (("first", (0, 1, 2)), ("second", (3, 4, 5)))
    )
    assert first != second


@pytest.mark.parametrize("bundle", ["wasserstein_voxelmorph", "cyclical_self_training"])
def test_a_validation_needs_two_subjects(bundle, heads, tmp_path):
    with pytest.raises(RuntimeError) as caught:
        trained(bundle, tmp_path, **{"validate#dataset#data": subjects(heads, bundle, [0])})
    assert "at least two subjects to validate on, got 1" in causes(caught.value)


def test_points_take_clouds_and_no_images(heads, tmp_path):
    images = subjects(heads, "wasserstein_voxelmorph", range(4))
    with pytest.raises(RuntimeError) as caught:
        trained("cyclical_self_training_points", tmp_path, **{"train#dataset#data": images})
    assert "expected a pair of keypoint clouds with fixed_points, got image, label" in causes(caught.value)
