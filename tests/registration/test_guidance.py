"""Masks, labels and landmarks that take part in a registration."""

import json

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from common.registration.affine import align
from common.registration.greedy import GreedyRefinement, refine_greedily
from common.registration.guidance import MAX_LABELS, Guidance
from common.registration.landmarks import Landmarks, write_landmarks
from common.registration.registrar import register
from common.registration.result import Registration
from common.registration.steps import DiscreteSearch, Refinement, refine, search
from tests.registration.test_refinement import AFFINE, blobs, mean_shift

SHIFT = (3.0, -2.0, 1.0)
GREEDY = GreedyRefinement(20, num_levels=2)


def lesion():
    """Voxels of a block in the middle of a blob."""
    block = torch.zeros(1, 24, 26, 22, dtype=torch.bool)
    block[:, 8:16, 12:19, 10:16] = True
    return block


def with_lesion(image, brightness):
    return MetaTensor(torch.where(lesion(), brightness, image.as_tensor()), affine=AFFINE)


def mask_of(block):
    return MetaTensor((~block).to(torch.uint8), affine=AFFINE)


def affine_step(fixed, moving, guidance):
    return align(fixed, moving, torch.eye(4, dtype=torch.float64), "rigid", guidance=guidance).matrix[:3]


def searched(fixed, moving, guidance):
    return search(fixed, moving, None, DiscreteSearch(1), guidance=guidance)


def by_adam(fixed, moving, guidance):
    return refine(fixed, moving, None, Refinement(8, num_levels=2), guidance=guidance)


def greedily(fixed, moving, guidance):
    return refine_greedily(fixed, moving, None, GREEDY, guidance=guidance)


STEPS = [affine_step, searched, by_adam, greedily]


@pytest.mark.parametrize("step", STEPS)
def test_a_mask_of_ones_changes_nothing(step):
    ones = mask_of(torch.zeros(1, 24, 26, 22, dtype=torch.bool))
    pair = blobs(), blobs(SHIFT)
    torch.testing.assert_close(step(*pair, Guidance(ones, ones)), step(*pair, Guidance()), atol=2e-3, rtol=0)


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("side", [0, 1])
def test_what_lies_in_a_masked_lesion_does_not_matter(side, step):
    masks, found = [None, None], []
    masks[side] = mask_of(lesion())
    for brightness in (0.0, 1.5):
        images = [blobs(), blobs(SHIFT)]
        images[side] = with_lesion(images[side], brightness)
        found.append(step(*images, Guidance(*masks)))
    torch.testing.assert_close(*found, atol=1e-3, rtol=0)


def test_a_mask_keeps_a_lesion_from_pulling_the_field():
    fixed, moving = with_lesion(blobs(), 1.5), blobs(SHIFT)
    errors = []
    for guidance in (Guidance(), Guidance(fixed_mask=mask_of(lesion()))):
        field_mm = refine_greedily(fixed, moving, None, GreedyRefinement(60, num_levels=2), guidance=guidance)
        errors.append((torch.tensor(mean_shift(field_mm)) - torch.tensor(SHIFT)).norm().item())
    assert errors[1] < 0.6 * errors[0]


def block_labels(start, number=7):
    labels = torch.zeros(1, 24, 26, 22, dtype=torch.int32)
    labels[:, start : start + 8, 6:18, 6:16] = number
    return MetaTensor(labels, affine=AFFINE)


def test_labels_that_take_part_meet_in_world_space_and_the_records_tell():
    labels = {"fixed_label": block_labels(6), "moving_label": block_labels(9)}
    flat = MetaTensor(torch.full((1, 24, 26, 22), 1.0), affine=AFFINE)
    flat[0, 0, 0, 0] = 0.0
    found = {}
    for weight in (0.0, 2.0):
        settings = GreedyRefinement(40, "mse", num_levels=2, label_weight=weight)
        registration = register(flat, flat, refine=settings, annotations=labels)
        found[weight] = registration.warp(labels["moving_label"], mode="nearest")
        assert registration.guidance.took_part == (["labels"] if weight else [])
    shares = {weight: ((label == 7) & (labels["fixed_label"] == 7)).sum() / 960 for weight, label in found.items()}
    assert shares[0.0] < 0.7 < 0.95 < shares[2.0]


def test_landmarks_that_take_part_come_nearer():
    points = torch.tensor([[-20.0, 20.0, 18.0], [-26.0, 34.0, 24.0]], dtype=torch.float64)
    moving = points + torch.tensor([4.0, 0.0, -2.0])
    landmarks = {"fixed_points": Landmarks(points, ("a", "b")), "moving_points": Landmarks(moving, ("a", "b"))}
    errors = []
    for weight in (0.0, 1.0, 10.0):  # against the images, which are the same
        settings = GreedyRefinement(60, "mse", num_levels=2, point_weight=weight)
        registration = register(blobs(), blobs(), refine=settings, annotations=landmarks)
        errors.append((registration.move_points(points) - moving).norm(dim=1).max().item())
    assert errors[0] == pytest.approx(20**0.5, abs=0.02)
    assert errors[2] < 1.0 < errors[1] < 3.5


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (torch.zeros(1, 24, 26, 22), "expected voxels that are not 0, which may be compared, got none"),
        (torch.ones(1, 12, 26, 22), r"expected the shape of image, \(24, 26, 22\), or its box in world space, got"),
    ],
)
def test_wrong_masks_are_refused(mask, message):
    for side in ("fixed_mask", "moving_mask"):
        with pytest.raises(ValueError, match=message):
            register(blobs(), blobs(SHIFT), refine=1, **{side: MetaTensor(mask, affine=AFFINE)})


def test_a_mask_in_another_place_or_of_the_background_alone_is_refused():
    far = AFFINE.clone()
    far[0, 3] = 500.0
    with pytest.raises(ValueError, match=r"where image lies, got none in it by the two headers"):
        register(blobs(), blobs(), refine=1, fixed_mask=MetaTensor(torch.ones(1, 24, 26, 22), affine=far))
    corner = torch.zeros(1, 24, 26, 22)
    corner[0, 0, 0, 0] = 1
    with pytest.raises(ValueError, match="mask: expected several intensities of image in the mask, got"):
        register(blobs(), blobs(), refine=1, fixed_mask=MetaTensor(corner, affine=AFFINE))


def test_weights_without_labels_and_too_many_labels_are_refused():
    label = block_labels(6)
    with pytest.raises(ValueError, match="label_weight: expected fixed_label and moving_label beside it"):
        Guidance.of({"fixed_label": label}).weighted(1.0, 0.0)
    with pytest.raises(ValueError, match="point_weight: expected fixed_points and moving_points beside it"):
        Guidance().weighted(0.0, 1.0)
    many = MetaTensor(torch.arange(24 * 26 * 22).view(1, 24, 26, 22), affine=AFFINE)
    for second, count in ((many, 13727), (block_labels(6, 20000), 0)):
        with pytest.raises(ValueError, match=f"1 to {MAX_LABELS} labels that occur in both label maps, got {count}"):
            Guidance.of({"fixed_label": many, "moving_label": second}).weighted(1.0, 0.0)
    with pytest.raises(ValueError, match="expected label_weight and point_weight ≥ 0, got -1"):
        GreedyRefinement(label_weight=-1.0)


@pytest.fixture
def files(pair, tmp_path):
    """A pair with a mask, a label map and landmarks of each image, by the names of their options."""
    names = {"fixed": pair[0], "moving": pair[1]}
    for side in ("fixed", "moving"):
        image = nib.load(names[side])
        for kind, volume in (("mask", np.ones(image.shape)), ("label", image.get_fdata() > 50)):
            names[f"{side}_{kind}"] = str(tmp_path / f"{side}_{kind}.nii.gz")
            nib.save(nib.Nifti1Image(volume.astype(np.uint8), image.affine), names[f"{side}_{kind}"])
        names[f"{side}_points"] = str(tmp_path / f"{side}.csv")
        write_landmarks(names[f"{side}_points"], Landmarks(torch.tensor([[5.0, 8.0, 15.0]]), ("a",)))
    return names


@pytest.fixture
def command(tmp_path, load_script, monkeypatch):
    def run(*options):
        arguments = ["register.py", "--output_dir", tmp_path / "out", *options]
        monkeypatch.setattr("sys.argv", list(map(str, arguments)))
        load_script("register").main()
        return json.loads((tmp_path / "out" / "metrics.json").read_text(encoding="utf-8"))

    return run


def options_of(files):
    return [word for name, path in files.items() for word in (f"--{name}", path)]


def test_the_command_uses_all_of_them_and_says_so(files, command, tmp_path):
    metrics = command(*options_of(files), "--refine", 2, "--label_weight", 1, "--point_weight", 0.5)
    assert metrics["took_part"] == ["fixed_mask", "moving_mask", "labels", "points"]
    assert metrics["settings"]["refinement"]["label_weight"] == 1
    assert "fixed_mask_sha256" in metrics["settings"]
    assert "labels took part" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert Registration.load(tmp_path / "out").guidance.took_part == ["fixed_mask", "moving_mask"]


def test_another_mask_is_another_result(files, command, capsys):
    plain = ["--effort", "none", "--noreport"]
    command(*options_of(files), *plain)
    nib.save(nib.Nifti1Image(np.eye(40)[:, :1, None] * np.ones(3), np.eye(4)), files["fixed_mask"])
    with pytest.raises(SystemExit):
        command(*options_of(files), *plain)
    assert "fixed_mask_sha256 differ" in capsys.readouterr().err


def test_a_list_names_masks(files, tmp_path, load_script, monkeypatch):
    (tmp_path / "pairs.json").write_text(json.dumps([files]))
    words = ["--pairs", tmp_path / "pairs.json", "--output_dir", tmp_path / "out", "--effort", "none", "--noreport"]
    monkeypatch.setattr("sys.argv", ["register.py", *map(str, words)])
    load_script("register").main()
    metrics = json.loads((tmp_path / "out" / "pair0" / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["took_part"] == ["fixed_mask", "moving_mask"]


@pytest.mark.parametrize("step", [["--refine", 2, "--solver", "adam"], ["--effort", "none"]])
def test_weights_without_the_greedy_solver_are_refused(step, files, command, capsys):
    with pytest.raises(SystemExit):
        command(*options_of(files), *step, "--label_weight", 1)
    assert "--label_weight: expected a refinement by the greedy solver beside, got none" in capsys.readouterr().err
