import pytest
import torch

from common.comparison.register_tool import RegisterTool


def test_refinement_starts_from_corresponding_centers_and_covers_the_cube(blob_pair):
    tool = RegisterTool(refine=1, velocity=False, num_levels=1)
    field = tool(blob_pair)
    assert field.shape == (3, *blob_pair.grid.spatial_shape)
    start = blob_pair.field_of(torch.zeros(3, *blob_pair.grid.spatial_shape))
    assert (field.as_tensor() - start.as_tensor()).norm(dim=0).max() < 3
    assert tool.settings["refinement"]["num_iterations"] == 1


def test_a_search_alone_has_no_settings_of_a_refinement(blob_pair):
    tool = RegisterTool(refine=0, search=1)
    assert tool.settings["search"]["num_passes"] == 1
    assert "refinement" not in tool.settings
    assert tool(blob_pair).shape == (3, *blob_pair.grid.spatial_shape)
    with pytest.raises(ValueError, match="expected refine > 0 beside weight"):
        RegisterTool(refine=0, search=1, weight=0.5)
