from dataclasses import asdict
from pathlib import Path

import pytest
import torch

from common.networks.voxelmorph import VoxelMorph
from common.registration.greedy import refinement_of
from common.tools.comparison.our_tools import BundleTool, RegisterTool
from common.weights import settings_of, with_settings


def test_refinement_starts_from_corresponding_centers_and_covers_the_cube(blob_pair):
    tool = RegisterTool(init="center", refine=1, velocity=False, num_levels=1)
    field = tool(blob_pair.images)
    assert field.shape == (3, *blob_pair.images.grid.spatial_shape)
    start = blob_pair.images.field_of(torch.zeros(3, *blob_pair.images.grid.spatial_shape))
    assert (field.as_tensor() - start.as_tensor()).norm(dim=0).max() < 3
    assert tool.settings["refinement"]["num_iterations"] == 1


def test_a_search_alone_has_no_settings_of_a_refinement(blob_pair):
    tool = RegisterTool(init="center", search=1)
    assert tool.settings["search"]["num_passes"] == 1
    assert "refinement" not in tool.settings
    assert tool(blob_pair.images).shape == (3, *blob_pair.images.grid.spatial_shape)
    with pytest.raises(ValueError, match="expected effort or refine > 0 beside weight"):
        RegisterTool(search=1, weight=0.5)


def test_an_effort_chooses_affine_map_and_greedy_refinement(blob_pair):
    tool = RegisterTool(init="center", effort="fast", similarity="mse")
    assert tool.settings["affine"] == "affine"
    assert tool.settings["refinement"] == asdict(refinement_of("fast", "mse"))
    inside = blob_pair.images.arrays()[0] > 0.5
    start = blob_pair.images.field_of(torch.zeros(3, *blob_pair.images.grid.spatial_shape))
    found = (tool(blob_pair.images) - start)[:, inside].mean(1)
    assert found.tolist() == pytest.approx([2.0, 0.0, 0.0], abs=0.6)
    with pytest.raises(ValueError, match="expected either effort or refine"):
        RegisterTool(effort="fast", refine=1)


BUNDLE = str(Path(__file__).parents[3] / "bundles" / "wasserstein_voxelmorph")
SMALL = {"num_refinement_steps": 0, "spatial_shape": [16, 16, 16], "pad_mm": 40, "box_mm": [24, 28, 26]}


@pytest.fixture
def shifts_by(tmp_path):
    """Weights with which the network gives a constant displacement, voxels of its grid along the first axis."""

    def write(voxels):
        network = VoxelMorph(num_integration_steps=5, control_spacing=4)
        *_, weight, bias = network.state_dict()
        state = network.state_dict()
        state[weight].zero_()
        state[bias].copy_(torch.tensor([voxels, 0.0, 0.0]))
        torch.save(with_settings(state, settings_of(Path(BUNDLE, "models", "model.pt"))), tmp_path / "model.pt")
        return str(tmp_path / "model.pt")

    return write


def test_field_is_the_networks_in_millimeters_plus_the_shift_of_the_centers(blob_pair, shifts_by):
    field = BundleTool(BUNDLE, shifts_by(2.0), num_passes=1, **SMALL)(blob_pair.images)
    assert field.shape == (3, 40, 40, 40)
    expected = torch.tensor([30 + 2 * 24 / 16, -9, 4]).view(3, 1, 1, 1).expand(3, 40, 40, 40)
    torch.testing.assert_close(field.as_tensor(), expected, atol=1e-4, rtol=0)


def test_no_displacement_scores_as_before(blob_pair, shifts_by):
    tool = BundleTool(BUNDLE, shifts_by(0.0), **SMALL)
    before = blob_pair.scores(blob_pair.images.field_of(torch.zeros(3, 40, 40, 40)))
    assert blob_pair.scores(tool(blob_pair.images)) == pytest.approx(before)
    assert 0 < tool.costs.inferer_seconds <= tool.costs.seconds


def test_overrides_act_and_are_kept(blob_pair, shifts_by):
    tool = BundleTool(BUNDLE, shifts_by(1.0), num_passes=3, **SMALL)
    assert tool(blob_pair.images)[0].mean().item() == pytest.approx(30 + 3 * 24 / 16, abs=1e-4)
    assert tool.settings["bundle"] == "wasserstein_voxelmorph"
    assert tool.settings["overrides"] == {"num_passes": 3, **SMALL}
    assert len(tool.settings["weights_sha256"]) == 64


def test_misspelt_override_is_refused():
    with pytest.raises(ValueError, match=r"got 'num_pases' \(did you mean 'num_passes'\?\)"):
        BundleTool(BUNDLE, num_pases=2)


def test_override_of_another_kind_is_refused():
    with pytest.raises(ValueError, match="num_passes: expected a number, got 'two'"):
        BundleTool(BUNDLE, num_passes="two")


def test_missing_weights_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"ckpt_path: expected weights of the network, got .*none\.pt"):
        BundleTool(BUNDLE, str(tmp_path / "none.pt"))
