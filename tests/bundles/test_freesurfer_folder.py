"""A folder as FreeSurfer leaves it, from prepare_data.py folder to the Dice of inter-patient pairs of T1 and FLAIR."""

import json

import nibabel as nib
import numpy as np
import pytest

from common.data.training_folder import write_training_folder

NUMBERS = [
    2,
    3,
    4,
    5,
    7,
    8,
    10,
    11,
    12,
    13,
    14,
    15,
    16,
    17,
    18,
    24,
    26,
    28,
    41,
    42,
    43,
    44,
    46,
    47,
    49,
    50,
    51,
    52,
    53,
    54,
]
SMALL = 30  # a vessel: more than 100 voxels in the first subject, fewer in the others


@pytest.fixture
def sessions(tmp_path):
    """Six heads of 30 blocks of 6³ voxels with numbers of FreeSurfer; T1, FLAIR of other contrast, label."""
    rng = np.random.default_rng(0)
    assert len(NUMBERS) == 30
    for number in range(6):
        label = np.zeros((32, 32, 32))
        corners = [(x, y, z) for x in (1, 9, 17) for y in (1, 9, 17) for z in (1, 9, 17, 25)]
        for structure, corner in zip(NUMBERS, corners, strict=False):
            label[tuple(slice(start, start + 6) for start in corner)] = structure
        label[25:31, 25:31, : 6 if number == 0 else 2] = SMALL
        label = np.roll(label, number % 2, axis=0)
        volumes = {"T1": 20 + 3 * label, "FLAIR": 200 - 3 * label}
        volumes = {key: np.where(label > 0, x + rng.normal(0, 2, label.shape), 0) for key, x in volumes.items()}
        for key, volume in {**volumes, "label": label}.items():
            path = tmp_path / "freesurfer" / f"s{number}" / f"{key}.nii.gz"
            path.parent.mkdir(parents=True, exist_ok=True)
            nib.save(nib.Nifti1Image(volume.astype("float32"), np.diag([5, 5, 5, 1])), path)
    return tmp_path / "freesurfer"


@pytest.fixture
def evaluated(run_bundle, sessions, tmp_path):
    """Function that scores the two held-out heads on their 5 mm grid: the lines of scores.csv and metrics.json."""
    write_training_folder(sessions, tmp_path / "data", tune=2, val=2)
    settings = {"warp_mm": 0.0, "spacing_mm": 5.0, "spatial_shape": [32, 32, 32], "num_refinement_steps": 10}

    def evaluate(**overrides):
        files, data = ["train.json", "evaluate.json"], str(tmp_path / "data")
        run_bundle("mine_voxelmorph", files, tmp_path / "out", dataset_dir=data, **settings, **overrides)
        lines = (tmp_path / "out" / "scores.csv").read_text().splitlines()
        return lines, json.loads((tmp_path / "out" / "metrics.json").read_text())

    return evaluate


def test_thirty_structures_are_scored_between_patients_across_contrasts(evaluated):
    (header, *rows), metrics = evaluated(pairing="inter")
    scored = [name for name in header.split(",") if name.startswith("dice_")]
    assert sorted(scored) == sorted(f"dice_{number}" for number in NUMBERS)
    assert {row.partition(",")[0] for row in rows} >= {"s1-s4", "s4-s1"}  # both orders of the two held-out subjects
    assert metrics["settings"]["structures"] == NUMBERS
    assert metrics["metrics"]["dice"] > metrics["metrics"]["initial_dice"]


def test_an_atlas_file_takes_the_place_of_the_first_subject(evaluated, sessions):
    atlas = {"atlas": str(sessions / "s2" / "T1.nii.gz"), "atlas_label": str(sessions / "s2" / "label.nii.gz")}
    (_, *rows), metrics = evaluated(pairing="atlas", **atlas)
    assert {row.partition(",")[0] for row in rows} >= {"atlas-s1", "atlas-s4"}
    assert metrics["metrics"]["dice"] > metrics["metrics"]["initial_dice"] > 0


def test_structures_given_by_hand_are_scored_and_not_looked_for(evaluated, caplog):
    caplog.set_level("INFO")
    (header, *_), metrics = evaluated(pairing="inter", structures=NUMBERS[:2], num_val_pairs=1)
    assert [name for name in header.split(",") if name.startswith("dice_")] == ["dice_2", "dice_3"]
    assert metrics["settings"]["structures"] == NUMBERS[:2]
    assert "label maps" not in caplog.text
