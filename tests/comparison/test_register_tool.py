import torch

from common.comparison.register_tool import RegisterTool


def test_refinement_starts_from_corresponding_centers_and_covers_the_cube(blob_pair):
    tool = RegisterTool(refine=1, velocity=False, num_levels=1)
    field = tool(blob_pair)
    assert field.shape == (3, *blob_pair.grid.spatial_shape)
    start = blob_pair.field_of(torch.zeros(3, *blob_pair.grid.spatial_shape))
    assert (field.as_tensor() - start.as_tensor()).norm(dim=0).max() < 3
    assert tool.settings["refinement"]["num_iterations"] == 1
