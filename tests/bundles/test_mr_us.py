"""The overlay mr_us.json of wasserstein_voxelmorph on generated volumes in the RESECT layout."""

import csv
import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser, ConfigWorkflow

ROOT = Path(__file__).parents[2]
BUNDLE = ROOT / "bundles" / "wasserstein_voxelmorph"
SHIFT_MM = np.array([3.0, 0.0, 4.0])
SMALL = {
    "spatial_shape": [16, 16, 16],
    "num_folds": 3,
    "num_pairs": 2,
    "max_epochs": 1,
    "batch_size": 1,
    "num_projections": 4,
}


def write_volume(path, shape, spacing, origin, seed):
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = torch.rand(1, 1, 6, 6, 6, generator=torch.Generator().manual_seed(seed))
    volume = torch.nn.functional.interpolate(noise, size=shape, mode="trilinear", align_corners=True)[0, 0]
    affine = np.diag([spacing, spacing, spacing, 1.0])
    affine[:3, 3] = origin
    nib.save(nib.Nifti1Image(100 * volume.numpy(), affine), path)


def write_case(folder, number):
    """A head of 4 mm, an ultrasound of 3 mm within it, four landmarks that lie SHIFT_MM farther in the head."""
    name = f"Case{number}"
    write_volume(folder / name / "MRI" / f"{name}-T1.nii.gz", (36, 40, 38), 4.0, (-70, -90, -60), number)
    write_volume(folder / name / "US" / f"{name}-US-before.nii.gz", (20, 22, 24), 3.0, (-10, -30, 5), 50 + number)
    points = np.random.default_rng(number).uniform((0, -20, 15), (40, 20, 60), (4, 3))
    rows = "\n".join(" ".join(f"{x:.4f}" for x in (*(point + SHIFT_MM), *point)) + ' ""' for point in points)
    text = f"MNI Tag Point File\nVolumes = 2;\nPoints =\n{rows};\n"
    (folder / name / f"{name}-MRI-beforeUS.tag").write_text(text)


@pytest.fixture(scope="module")
def dataset_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("resect")
    for number in range(1, 7):
        write_case(folder, number)
    return str(folder)


def run(files, kind, output_dir, **overrides):
    config = [str(BUNDLE / "configs" / name) for name in files]
    places = {"bundle_root": str(BUNDLE), "output_dir": str(output_dir)}
    workflow = ConfigWorkflow(config, workflow_type=kind, logging_file=False, **places, **(SMALL | overrides))
    workflow.initialize()
    assert workflow.check_properties() == []
    workflow.run()


@pytest.fixture(scope="module")
def folders(dataset_dir, tmp_path_factory):
    """Output folders of the training and of the evaluation of fold 1."""
    train, scores = (tmp_path_factory.mktemp(name) for name in ("train", "evaluate"))
    run(["train.json", "mr_us.json"], "train", train, dataset_dir=dataset_dir, fold=1)
    weights = {"ckpt_path": str(train / "model.pt")}
    files = ["train.json", "evaluate.json", "mr_us.json"]
    run(files, "infer", scores, dataset_dir=dataset_dir, fold=1, **weights)
    return train, scores


def test_training_validates_on_landmarks_and_leaves_weights(folders):
    (epoch,) = json.loads((folders[0] / "convergence.json").read_text(encoding="utf-8"))
    assert epoch["initial_tre_mm"] == pytest.approx(5.0, abs=1e-3)
    assert epoch["tre_mm"] > 0
    assert torch.load(folders[0] / "model.pt", weights_only=True)


def test_evaluation_gives_the_error_before_and_after_of_every_patient_of_the_fold(folders):
    written = json.loads((folders[1] / "metrics.json").read_text(encoding="utf-8"))
    scores = written["metrics"]
    assert (written["settings"]["fold"], written["settings"]["contrast"]) == (1, "T1")
    assert scores["initial_tre_mm"] == pytest.approx(5.0, abs=1e-3)
    rows = list(csv.DictReader((folders[1] / "scores.csv").open()))
    assert [row["name"] for row in rows][-1] == "mean"
    assert len(rows) == 2 + 1
    after = [float(row["tre_mm"]) for row in rows]
    assert scores["tre_mm"] == pytest.approx(sum(after[:-1]) / 2)


def test_weights_are_evaluated_with_the_settings_they_were_trained_with():
    train, evaluate = (
        ConfigParser.load_config_files([str(BUNDLE / "configs" / name) for name in files])
        for files in (["train.json", "mr_us.json"], ["train.json", "evaluate.json", "mr_us.json"])
    )
    scalars = {name for name, value in train.items() if not isinstance(value, dict) and not name.startswith("_")}
    other = {name for name in scalars if train[name] != evaluate[name]}
    carried = {name for name in other if evaluate[name] == f"$@trained['{name}']"}
    assert carried <= train["carried"].keys()
    assert other - carried <= {"val_part", "initialize", "run"}


def test_training_of_one_fold_is_not_resumed_as_another(folders, dataset_dir):
    with pytest.raises(RuntimeError) as caught:
        run(["train.json", "mr_us.json"], "train", folders[0], dataset_dir=dataset_dir, fold=2, resume=True)
    assert "other settings: fold: expected 1, got 2" in causes(caught.value)


@pytest.mark.parametrize(("fold", "message"), [(3, "fold: expected 0 to 2 for 3 folds, got 3"), (-1, "got -1")])
def test_fold_out_of_range_is_refused(dataset_dir, tmp_path, fold, message):
    with pytest.raises(RuntimeError) as caught:
        run(["train.json", "mr_us.json"], "train", tmp_path, dataset_dir=dataset_dir, fold=fold)
    assert message in causes(caught.value)


def test_missing_data_set_is_said(tmp_path):
    with pytest.raises(RuntimeError) as caught:
        run(["train.json", "mr_us.json"], "train", tmp_path)
    assert "dataset_dir: expected a folder in the RESECT layout" in causes(caught.value)


def causes(error):
    texts = []
    while error is not None:
        texts.append(str(error))
        error = error.__cause__
    return " ".join(texts)
