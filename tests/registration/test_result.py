import json

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from common.data.volume import input_label
from common.registration.labels import label_dice, warp_label
from common.registration.landmarks import Landmarks, read_landmarks, write_landmarks
from common.registration.outputs import Annotations
from common.registration.registrar import Registrar, register
from common.registration.result import Registration
from common.registration.steps import Refinement
from common.world.files import save_submission
from common.world.grid import Grid


def label_of(path, level=50):
    image = nib.load(path)
    labels = (image.get_fdata() > level).astype(np.uint8) + (image.get_fdata() > level + 20)
    out = path.replace(".nii.gz", "_label.nii.gz")
    nib.save(nib.Nifti1Image(labels.astype(np.uint8), image.affine), out)
    return out


def test_the_affine_finds_the_motion_and_the_labels_follow(pair, tmp_path):
    points = torch.tensor([[5.0, 8.0, 15.0], [-3.0, 20.0, 33.0]], dtype=torch.float64)
    motion = torch.eye(4, dtype=torch.float64)
    angle = torch.deg2rad(torch.tensor(6.0, dtype=torch.float64))
    motion[:2, :2] = torch.tensor([[angle.cos(), -angle.sin()], [angle.sin(), angle.cos()]])
    motion[:3, 3] = torch.tensor([4.0, -3.0, 1.0])
    moved = points @ motion[:3, :3].T + motion[:3, 3]
    for name, positions in (("fixed", points), ("moving", moved)):
        write_landmarks(tmp_path / f"{name}.csv", Landmarks(positions, ("a", "b")))
    given = Annotations(*map(label_of, pair), str(tmp_path / "fixed.csv"), str(tmp_path / "moving.csv"))
    metrics = register(*pair, affine="rigid").save(tmp_path / "out", annotations=given, learn2reg=False)
    assert metrics["landmarks"]["after"]["mean_mm"] < 1.0 < metrics["landmarks"]["before"]["mean_mm"]
    assert metrics["overlap"]["after"]["dice"] > metrics["overlap"]["before"]["dice"] + 0.05
    assert metrics["similarity"]["after"]["correlation"] > 0.95
    assert metrics["regularity"]["folding_fraction"] == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == set(metrics["files"])
    back = read_landmarks(tmp_path / "out" / "moving_points_in_fixed.csv").points_mm
    assert (back - points).norm(dim=1).max() < 1.0
    assert (
        json.loads((tmp_path / "out" / "metrics.json").read_text(encoding="utf-8"))["versions"]["torch"]
        == torch.__version__
    )


def test_labels_are_warped_like_the_nearest_voxel_by_a_whole_shift():
    label = MetaTensor(torch.randint(0, 4, (1, 6, 7, 8)).float(), affine=torch.eye(4))
    shift = torch.zeros(3, 6, 7, 8)
    shift[1] = 2.0
    registration = Registration(label, label, MetaTensor(shift, affine=torch.eye(4)))
    warped = warp_label(registration, label).as_tensor()
    torch.testing.assert_close(warped[:, :, :-2], label.as_tensor()[:, :, 2:])
    assert warped[:, :, -2:].max() == 0


def test_dice_counts_labels_of_either_map():
    scores = label_dice(torch.tensor([1, 1, 0, 5]), torch.tensor([1, 0, 0, 0]))
    assert scores == {"dice": pytest.approx(1 / 3), "per_label": {"1": pytest.approx(2 / 3), "5": 0.0}}


def test_a_submission_holds_voxels_of_the_moving_image(tmp_path):
    grid = Grid((4, 5, 6), torch.diag(torch.tensor([-2.0, 2.0, 2.0, 1.0])))
    moving = Grid((4, 5, 6), torch.diag(torch.tensor([-2.0, 2.0, 2.0, 1.0])))
    field_mm = torch.zeros(3, 4, 5, 6)
    field_mm[0], field_mm[2] = 2.0, 4.0
    save_submission(tmp_path / "disp.nii.gz", field_mm, grid, moving)
    displacements = nib.load(tmp_path / "disp.nii.gz").get_fdata()
    assert displacements.shape == (4, 5, 6, 3)
    assert displacements[1, 1, 1].tolist() == [-1.0, 0.0, 2.0]
    with pytest.raises(ValueError, match="of one shape"):
        save_submission(tmp_path / "other.nii.gz", field_mm, grid, Grid((4, 5, 7), torch.eye(4)))


def test_a_bundle_then_refinement_is_one_field(tmp_path):
    from common.data.sample.folder import write_sample_population

    write_sample_population(tmp_path / "sample", num_subjects=2, contrasts=("T1",), region="hippocampus")
    pair = [str(tmp_path / "sample" / name / "T1.nii.gz") for name in ("sample00", "sample01")]
    alone = register(*pair, "wasserstein_voxelmorph")
    refined = register(*pair, "wasserstein_voxelmorph", refine=Refinement(3, num_levels=1, velocity=False))
    change = (refined.field - alone.field).as_tensor().norm(dim=0)
    assert 0 < change.mean() < 2


def test_a_bundle_that_centers_its_images_keeps_an_alignment(tmp_path):
    from common.data.sample.folder import write_sample_population

    write_sample_population(tmp_path / "sample", num_subjects=2, contrasts=("T1",), region="hippocampus")
    pair = [input_label(tmp_path / "sample" / name / "T1.nii.gz") for name in ("sample00", "sample01")]
    far = MetaTensor(pair[1].as_tensor(), affine=pair[1].affine.clone())
    far.affine[:3, 3] += 200.0
    fields = [register(pair[0], moving, "wasserstein_voxelmorph", init="center").field for moving in (pair[1], far)]
    torch.testing.assert_close(fields[1].as_tensor(), fields[0].as_tensor() + 200.0, atol=0.01, rtol=0)


def test_three_slices_work(tmp_path):
    affine = torch.diag(torch.tensor([1.0, 1.0, 5.0, 1.0]))
    generator = torch.Generator().manual_seed(0)
    image = torch.nn.functional.interpolate(torch.rand(1, 1, 6, 6, 3, generator=generator), (40, 40, 3))[0]
    image = torch.nn.functional.avg_pool3d(image, (5, 5, 1), 1, (2, 2, 0))
    fixed, moving = (MetaTensor(image.roll(k, 1), affine=affine) for k in (0, 2))
    registration = register(fixed, moving, affine="rigid", refine=5)
    registration.save(tmp_path)
    found = [
        torch.corrcoef(torch.stack([fixed.flatten(), image.flatten()]).as_tensor())[0, 1]
        for image in (moving, registration.warp(moving))
    ]
    assert found[1] > found[0] + 0.05


def test_a_bundle_option_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match=r"got 'backgrounds' \(did you mean 'background'"):
        Registrar("wasserstein_voxelmorph", bundle_options={"backgrounds": 0.0})


def test_a_saved_registration_is_loaded_as_it_was(pair, tmp_path):
    registration = register(*pair, init="moments", refine=5)
    registration.save(tmp_path / "out")
    loaded = Registration.load(tmp_path / "out")
    points = torch.tensor([[5.0, 8.0, 15.0], [-3.0, 20.0, 33.0]])
    torch.testing.assert_close(loaded.move_points(points), registration.move_points(points))
    torch.testing.assert_close(loaded.move_points_back(points), registration.move_points_back(points))
    torch.testing.assert_close(loaded.warp(pair[1]), registration.warp(pair[1]))
    torch.testing.assert_close(loaded.before().field, registration.before().field)
    assert loaded.settings == json.loads(json.dumps(registration.settings))


def test_a_registration_is_loaded_from_its_folder_and_with_its_images_only(pair, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none: expected a registration with its metrics.json"):
        Registration.load(tmp_path / "none")
    register(*pair, effort="none").save(tmp_path / "out")
    with pytest.raises(ValueError, match=r"expected the grid of .*field.nii.gz, got another"):
        Registration.load(tmp_path / "out", fixed=pair[1])
