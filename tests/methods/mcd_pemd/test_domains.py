import json

import nibabel as nib
import numpy as np
import pytest
import torch

from common.methods.mcd_pemd.domains import (
    DIRECTIONS,
    DirectionPairs,
    Domains,
    LoadContrastsd,
    SourceTargetPairs,
    contrast_volumes,
)


def subjects(generator, count=2):
    volumes = torch.rand(count, 2, 1, 60, 60, 20, generator=generator) + 0.1
    return [{"subject": str(i), "T1": pair[0], "T2": pair[1]} for i, pair in enumerate(volumes)]


def write_head(folder, shapes, affines=None):
    for contrast, shape in shapes.items():
        image = np.random.default_rng(0).random(shape, dtype=np.float32)
        affine = np.diag((affines or {}).get(contrast, (1, 1, 1, 1)))
        nib.save(nib.Nifti1Image(image, affine), folder / f"{contrast}.nii.gz")
    entry = {"subject": "a", **{contrast: f"{contrast}.nii.gz" for contrast in shapes}}
    (folder / "dataset.json").write_text(json.dumps({"subjects": [entry]}))


def test_training_items_have_a_labeled_source_and_an_unlabeled_target(generator):
    item = SourceTargetPairs(subjects(generator), Domains(), num_pairs=4)[1]
    assert set(item["source"]) == {"image", "label"}
    assert set(item["target"]) == {"image"}


def test_source_and_target_pairs_are_drawn_apart(generator):
    data = SourceTargetPairs(subjects(generator), Domains(), num_pairs=30)
    assert [data.source[i]["label"] for i in range(30)] != [data.target[i]["label"] for i in range(30)]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_no_pair_of_the_evaluation_is_a_training_pair(generator, seed):
    heads = subjects(generator)
    training = SourceTargetPairs(heads, Domains(), num_pairs=30, seed=seed)
    evaluation = DirectionPairs(heads, Domains(), num_pairs=30, seed=seed)
    drawn = [[part[i]["label"] for i in range(30)] for part in (training.source, training.target, *evaluation.parts)]
    assert len({tuple(labels) for labels in drawn}) == len(drawn)


def test_evaluation_has_the_same_number_of_pairs_per_direction(generator):
    data = DirectionPairs(subjects(generator), Domains(), num_pairs=3)
    assert [data[i]["direction"] for i in range(len(data))] == [n for n in range(4) for _ in range(3)]


@pytest.mark.parametrize("name", DIRECTIONS)
def test_a_direction_reads_its_contrasts(name, generator):
    """T1 is nearly always close to its mean, in units of its standard deviation; T2, uniform, is not."""
    heads = subjects(generator)
    for head in heads:
        head["T1"] = torch.where(head["T1"] > 1.09, 1000.0, 1.0)
    domains = Domains(target_normalization="volume")
    fixed, moving = DirectionPairs(heads, domains, num_pairs=1)[list(DIRECTIONS).index(name)]["image"]
    is_target = [bool((patch.abs() > 0.5).float().mean() > 0.5) for patch in (moving, fixed)]
    assert is_target == [domain == "target" for domain in DIRECTIONS[name]]


def test_without_a_folder_the_sample_population_is_read():
    heads = contrast_volumes("", ["T1"], num_sample_subjects=1)
    assert heads[0]["T1"].shape[0] == 1


def test_contrasts_on_different_grids_are_refused(tmp_path):
    write_head(tmp_path, {"T1": (4, 5, 6), "T2": (4, 5, 7)})
    with pytest.raises(ValueError, match=r"subject a: expected all contrasts on one grid, got .*\(4, 5, 7\)"):
        contrast_volumes(str(tmp_path), ["T1", "T2"])


def test_contrasts_of_one_shape_on_different_grids_are_refused(tmp_path):
    write_head(tmp_path, {"T1": (4, 5, 6), "T2": (4, 5, 6)}, {"T2": (-1, 1, 1, 1)})
    with pytest.raises(ValueError, match=r"subject a: expected all contrasts on one grid, got T1 in .*T1\.nii\.gz"):
        contrast_volumes(str(tmp_path), ["T1", "T2"])


def test_a_head_of_1_mm_in_ras_order_is_untouched(tmp_path):
    write_head(tmp_path, {"T1": (4, 5, 6)})
    expected = nib.load(tmp_path / "T1.nii.gz").get_fdata(dtype=np.float32)
    assert np.array_equal(contrast_volumes(str(tmp_path), ["T1"])[0]["T1"][0], expected)


def test_another_order_of_the_axes_becomes_ras(tmp_path):
    write_head(tmp_path, {"T1": (4, 5, 6)}, {"T1": (-1, 1, 1, 1)})
    expected = nib.load(tmp_path / "T1.nii.gz").get_fdata(dtype=np.float32)[::-1]
    assert np.allclose(contrast_volumes(str(tmp_path), ["T1"])[0]["T1"][0], expected, atol=1e-5)


def test_other_voxels_become_1_mm(tmp_path):
    write_head(tmp_path, {"T1": (4, 5, 6)}, {"T1": (2, 2, 3, 1)})
    assert contrast_volumes(str(tmp_path), ["T1"])[0]["T1"].shape == (1, 8, 10, 18)


def test_native_pixels_are_left_as_they_are(tmp_path):
    write_head(tmp_path, {"T1": (4, 5, 6)}, {"T1": (2, 2, 3, 1)})
    files = {"subject": "a", "T1": str(tmp_path / "T1.nii.gz")}
    assert np.array_equal(LoadContrastsd(["T1"], spacing_mm=0)(files)["T1"][0], nib.load(files["T1"]).get_fdata())


def test_a_negative_spacing_is_refused():
    with pytest.raises(ValueError, match="spacing_mm: expected a size > 0, or 0 for the images' own pixels, got -1"):
        LoadContrastsd(["T1"], spacing_mm=-1)


def test_air_below_zero_becomes_the_background(tmp_path):
    image = np.full((6, 6, 6), -1000, dtype=np.float32)
    image[2:4, 2:4, 2:4] = 50
    nib.save(nib.Nifti1Image(image, np.eye(4)), tmp_path / "CT.nii.gz")
    entry = {"subject": "a", "CT": "CT.nii.gz"}
    (tmp_path / "dataset.json").write_text(json.dumps({"subjects": [entry]}))
    assert contrast_volumes(str(tmp_path), ["CT"])[0]["CT"].unique().tolist() == [0, 1050]


def test_a_subject_without_t2_is_named(tmp_path):
    write_head(tmp_path, {"T1": (4, 5, 6)})
    with pytest.raises(ValueError, match="subject a has no T2"):
        contrast_volumes(str(tmp_path), ["T1", "T2"])


@pytest.mark.data
def test_real_heads_are_read(registration_data):
    heads = contrast_volumes(str(registration_data / "MultiContrastBrain"), ["T1", "T2"])
    assert len(heads) == 5
