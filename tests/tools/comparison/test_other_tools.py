import numpy as np
import pytest
import torch

from common.tools.comparison.other_tools import PACKAGES, SETTINGS, TITLES, TOOLS, tool_settings

MODULES = {
    "ants_syn": "ants",
    "ants_syn_full": "ants",
    "dipy_syn_cc": "dipy",
    "convex_adam": "convexAdam",
    "sitk_demons": "SimpleITK",
}


@pytest.mark.parametrize("tool", sorted(MODULES))
def test_tool_brings_the_structures_together(tool, blob_pair):
    pytest.importorskip(MODULES[tool])
    fixed, moving = (x.numpy() for x in blob_pair.padded())
    ddf = torch.as_tensor(np.ascontiguousarray(TOOLS[tool](fixed, moving))).movedim(-1, 0).float()
    mean = ddf[:, torch.as_tensor(fixed) > 0.5].mean(1)
    assert mean.tolist() == pytest.approx([2.0, 0.0, 0.0], abs=0.6)
    before, after = (blob_pair.scores(blob_pair.field_of(x))["dice"] for x in (torch.zeros_like(ddf), ddf))
    assert before + 0.1 < after


def test_wrong_direction_is_noticed(blob_pair):
    ddf = torch.zeros(3, 40, 40, 40)
    ddf[0] = 2.0
    right, wrong = (blob_pair.scores(blob_pair.field_of(x))["dice"] for x in (ddf, -ddf))
    assert right > 0.95
    assert wrong < 0.5


def test_every_tool_has_settings_and_a_title():
    assert set(TOOLS) == set(SETTINGS) == set(TITLES) == {*PACKAGES, "initial"}


def test_settings_name_the_version_of_the_package():
    pytest.importorskip("SimpleITK")
    assert tool_settings("sitk_demons")["package"].startswith("SimpleITK 2.")
