import pytest
import torch

from common.tools.comparison.other_tools import METHODS, OtherTool

SLOW = {"ants_syn_cc"}


@pytest.mark.parametrize(
    "tool", [pytest.param(x, marks=[pytest.mark.slow] * (x in SLOW)) for x in sorted(METHODS) if x != "initial"]
)
def test_tool_brings_the_structures_together(tool, blob_pair):
    pytest.importorskip(METHODS[tool].module)
    register = OtherTool(tool)
    field = register(blob_pair.images)
    start = blob_pair.images.field_of(torch.zeros(3, 40, 40, 40))
    inside = blob_pair.images.arrays()[0] > 0.5
    assert (field - start)[:, inside].mean(1).tolist() == pytest.approx([2.0, 0.0, 0.0], abs=0.6)
    before, after = (blob_pair.scores(x)["dice"] for x in (start, field))
    assert before + 0.1 < after
    assert register.costs.processor_seconds > 0


def test_wrong_direction_is_noticed(blob_pair):
    ddf = torch.zeros(3, 40, 40, 40)
    ddf[0] = 2.0
    right, wrong = (blob_pair.scores(blob_pair.images.field_of(x))["dice"] for x in (ddf, -ddf))
    assert right > 0.95
    assert wrong < 0.5


def test_settings_name_the_version_of_the_package():
    pytest.importorskip("SimpleITK")
    assert OtherTool("sitk_demons").settings["package"].startswith("SimpleITK 2.")
