"""The brain template of the sample population."""

import importlib.util

import nibabel as nib
import pytest
import torch

from common.data.sample import template as module
from common.data.sample.template import sample_template


def test_the_head_is_large_enough_for_patches_and_has_three_tissues():
    template = sample_template()
    assert template.label.shape == (1, *template.tissues.shape[1:])
    assert min(template.label.shape[1:]) >= 120
    assert template.label.unique().tolist() == [0, 1, 2, 3]


def test_the_hippocampus_has_two_labels_inside_its_region():
    template = sample_template("hippocampus")
    assert template.label.shape == (1, 36, 50, 36)
    assert all(1000 < (template.label == value).sum() < 3000 for value in (1, 2))
    border = torch.ones_like(template.label, dtype=torch.bool)
    border[:, 1:-1, 1:-1, 1:-1] = False
    assert not template.label[border].any()


def test_tissue_fractions_lie_between_0_and_1_and_sum_to_at_most_1():
    tissues = sample_template().tissues
    assert tissues.min() >= 0
    assert tissues.sum(0).max() <= 1 + 1e-6


def test_the_affine_puts_the_anterior_part_in_front_at_every_spacing():
    for spacing in (1, 2):
        template = sample_template("hippocampus", spacing)
        center_mm = [
            nib.affines.apply_affine(template.affine.numpy(), (template.label[0] == value).nonzero().numpy()).mean(0)
            for value in (1, 2)
        ]
        assert center_mm[0][1] > -21 > center_mm[1][1]
        assert abs(center_mm[0][0] + 26) < 4


def test_a_larger_spacing_keeps_the_mean_and_the_world_position():
    fine, coarse = sample_template(), sample_template(spacing=2)
    center_mm = [
        nib.affines.apply_affine(template.affine.numpy(), (template.label[0] > 0).nonzero().numpy()).mean(0)
        for template in (fine, coarse)
    ]
    assert abs(fine.tissues.mean() - coarse.tissues.mean()) < 0.005
    assert abs(center_mm[0] - center_mm[1]).max() < 0.1


def test_without_nilearn_the_install_command_is_named(monkeypatch):
    monkeypatch.setattr(module, "find_spec", {"nilearn": None}.get)
    with pytest.raises(ImportError, match=r'pip install -e "\.\[sample\]"'):
        sample_template.__wrapped__()
    assert importlib.util.find_spec("nilearn")


@pytest.mark.parametrize("arguments", [("brain", 1), ("head", 0), ("head", 1.5)])
def test_an_unknown_region_or_spacing_is_refused(arguments):
    with pytest.raises(ValueError, match=r"(region|spacing): expected"):
        sample_template(*arguments)
