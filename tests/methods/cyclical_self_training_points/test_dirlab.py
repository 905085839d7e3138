"""A raw case made of the generated chest: keypoints, landmarks and the alignment of the lung masks."""

import nibabel as nib
import numpy as np
import pytest
import torch

from common.data.layouts import dirlab as layout
from common.data.sample.chest import APEX_MM, BREATH, SHAPE, SPACING_MM, write_sample_chest
from common.methods.cyclical_self_training_points import dirlab
from common.methods.cyclical_self_training_points.image import CloudsToImaged
from common.methods.cyclical_self_training_points.pairs import keypoint_pairs
from common.metrics.landmarks import landmark_distance_mm

COARSE = {"fixed": (7.0, 4.0, 5.0), "moving": (7.0, 5.0, 7.0)}
CENTER = SPACING_MM * (np.array(SHAPE) - 1) / 2  # of the chest, from the raw volume's first voxel


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    folder = tmp_path_factory.mktemp("raw")
    place = folder / "copd1" / "copd1"
    place.mkdir(parents=True)
    files = write_sample_chest(folder / "chest")
    for side, phase in layout.PHASES.items():
        volume = np.asanyarray(nib.load(files[side]).dataobj)[::-1, ::-1, ::-1]  # left, posterior, inferior
        (volume.T + layout.HU_OFFSET).astype("<i2").tofile(place / f"copd1_{phase}CT.img")
    heights = np.arange(-60, 61, 20.0)  # mm above the middle of the chest, in the right lung; whole voxels are kept
    for phase, stretch in (("eBH", 1), ("iBH", 1 + BREATH)):
        moved = APEX_MM + (heights - APEX_MM) * stretch
        voxels = np.stack([(CENTER[0] + 65 + 0 * moved), CENTER[1] + 0 * moved, CENTER[2] - moved], 1) / SPACING_MM + 1
        np.savetxt(place / f"copd1_300_{phase}_xyz_r1.txt", voxels, fmt="%.4f", delimiter="\t")
    return folder


@pytest.fixture(scope="module")
def pair(raw, tmp_path_factory):
    folder = tmp_path_factory.mktemp("archives")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(layout.COPD, "copd1", layout.Geometry(SHAPE, (SPACING_MM,) * 3))
        patch.setattr(dirlab, "SPACING_MM", COARSE)
        lines = dirlab.write_copd_archives(raw, folder, {"fixed": 3, "moving": 3})
    (read,) = keypoint_pairs(str(folder), with_landmarks=True)
    assert lines == [f"copd_01: {len(read['fixed_points'])} fixed and {len(read['moving_points'])} moving keypoints"]
    return read


def test_landmarks_keep_their_true_distance(pair):
    distance = landmark_distance_mm(
        pair["fixed_landmarks"] * pair["mm_per_unit"], pair["moving_landmarks"] * pair["mm_per_unit"]
    )
    expected = BREATH * (APEX_MM - torch.arange(-60, 61, 20.0))
    assert distance.tolist() == pytest.approx(expected.tolist(), abs=0.01)


def test_masks_align_what_a_breath_has_moved(pair):
    assert len(pair["fixed_points"]) > 31
    scale = pair["alignment"].diagonal()
    assert scale[0].item() == pytest.approx(1 + BREATH, abs=0.02)  # along the body
    assert scale[1:].tolist() == pytest.approx([1, 1], abs=0.02)
    moved = pair["fixed_landmarks"] @ pair["alignment"][:, :3].T + pair["alignment"][:, 3]
    error = landmark_distance_mm(moved * pair["mm_per_unit"], pair["moving_landmarks"] * pair["mm_per_unit"])
    assert error.max() < 3  # a voxel; 18.6 mm before


def test_the_registration_starts_from_the_alignment(pair):
    aligned = CloudsToImaged()(pair)["aligned_points"]
    expected = pair["fixed_points"] @ pair["alignment"][:, :3].T + pair["alignment"][:, 3]
    assert torch.equal(aligned, expected)
    assert torch.equal(CloudsToImaged(prealign=False)(pair)["aligned_points"], pair["fixed_points"])


def test_an_even_window_is_refused(raw):
    (case,) = layout.dirlab_cases(raw)
    with pytest.raises(ValueError, match="windows: expected odd numbers of voxels, got"):
        dirlab.copd_archive(case, {"fixed": 4, "moving": 3})
