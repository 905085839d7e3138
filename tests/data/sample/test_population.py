"""The embedded sample population."""

import numpy as np
import pytest
import torch

from common.data.sample.contrast import TISSUE_MEANS
from common.data.sample.population import sample_subject, sample_subjects
from common.data.sample.template import sample_template
from common.fields.ddf import warp
from common.fields.jacobian import inner_folding_fraction

SMALL = {"region": "hippocampus"}


def dice(first, second, value):
    return 2 * ((first == value) & (second == value)).sum() / ((first == value).sum() + (second == value).sum())


def test_a_subject_lies_on_the_grid_of_the_template():
    subject = sample_subject(0, contrasts=("T1", "FLAIR"), **SMALL)
    assert subject.keys() == {"T1", "FLAIR", "label", "ddf"}
    assert subject["T1"].shape == subject["label"].shape == (1, 36, 50, 36)
    assert subject["ddf"].shape == (3, 36, 50, 36)
    assert torch.equal(subject["T1"].affine, sample_template("hippocampus").affine)


def test_the_same_seed_gives_the_same_voxels_and_another_seed_or_subject_others():
    first, again = sample_subject(1, seed=4, **SMALL), sample_subject(1, seed=4, **SMALL)
    assert all(torch.equal(first[key], again[key]) for key in first)
    for other in (sample_subject(1, seed=5, **SMALL), sample_subject(2, seed=4, **SMALL)):
        assert not any(torch.equal(first[key], other[key]) for key in first)


def test_a_subject_does_not_depend_on_the_others_nor_a_contrast_on_the_others():
    alone = sample_subject(1, seed=4, contrasts=("T2",), **SMALL)
    population = sample_subjects(2, seed=4, contrasts=("T1", "T2"), **SMALL)
    assert [subject["subject"] for subject in population] == ["sample00", "sample01"]
    assert torch.equal(alone["T2"], population[1]["T2"])


def test_the_global_generator_is_not_used():
    torch.manual_seed(0)
    before = torch.random.get_rng_state()
    sample_subject(0, **SMALL)
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize("region", ["hippocampus", "head"])
def test_warping_the_template_by_the_field_gives_the_subject(region):
    spacing = 3 if region == "head" else 1
    template = sample_template(region, spacing)
    subject = sample_subject(3, contrasts=("T1",), region=region, spacing=spacing, artifacts=0.0)
    ddf = subject["ddf"].as_tensor()[None]
    plain = torch.einsum("k,kxyz->xyz", torch.tensor(TISSUE_MEANS["T1"]), template.tissues)
    assert (warp(plain[None, None], ddf)[0] - subject["T1"]).abs().max() <= 0.51
    assert torch.equal(warp(template.label[None], ddf, mode="nearest")[0], subject["label"].as_tensor())


def test_fields_move_several_millimeters_without_folding():
    for subject in sample_subjects(4, **SMALL):
        ddf = subject["ddf"].as_tensor()[None]
        assert ddf.norm(dim=1).mean() > 1
        assert inner_folding_fraction(ddf) == 0


def test_t1_and_t2_show_the_same_anatomy_by_no_linear_relation():
    subject = sample_subject(0, spacing=3)
    t1, t2 = subject["T1"].numpy(), subject["T2"].numpy()
    means = [[float(image[subject["label"].numpy() == value].mean()) for value in range(4)] for image in (t1, t2)]
    assert abs(np.corrcoef(t1.ravel(), t2.ravel())[0, 1]) < 0.9
    assert np.argsort(means[0]).tolist() == [0, 1, 2, 3]
    assert np.argsort(means[1]).tolist() == [0, 3, 2, 1]


def test_contrasts_and_subjects_have_noise_of_their_own():
    noisy, plain = (
        [
            sample_subject(index, **SMALL, artifacts=artifacts)[contrast]
            for index, contrast in ((0, "T1"), (0, "T2"), (1, "T1"))
        ]
        for artifacts in (1.0, 0.0)
    )
    residuals = torch.stack([(a - b).as_tensor().diff(dim=1).flatten() for a, b in zip(noisy, plain, strict=True)])
    assert (torch.corrcoef(residuals) - torch.eye(3)).abs().max() < 0.2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"contrasts": ("CT",)}, "contrast: expected"),
        ({"region": "knee"}, "region: expected"),
        ({"index": -1}, "expected numbers from 0, got index -1"),
        ({"seed": -1}, "expected numbers from 0, got index 0 and seed -1"),
    ],
)
def test_unknown_contrasts_regions_and_subjects_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        sample_subject(**{"index": 0, **SMALL, **options})
