import pytest
import torch
from monai.data import MetaTensor

from common.fields.ddf import warp
from common.methods.mine_voxelmorph.known_warp import KnownWarpPairs
from common.tools.comparison.head_pair import HeadPair, warped_heads
from common.tools.comparison.other_tools import OtherTool
from common.tools.comparison.our_tools import RegisterTool


def smooth_head(spatial_shape=(48, 40, 44)):
    """A labeled ellipsoid of slow waves, on voxels that run against the world's first axis."""
    axes = torch.meshgrid(*(torch.linspace(-1, 1, size) for size in spatial_shape), indexing="ij")
    inside = sum(axis**2 for axis in axes) < 0.7
    image = inside * (0.5 + 0.4 * torch.sin(5 * axes[0] + 4 * axes[1]) * torch.cos(4 * axes[2]))
    label = inside * (1 + (axes[0] > 0))
    affine = torch.diag(torch.tensor([-1.0, 1.0, 1.0, 1.0], dtype=torch.float64))
    return {
        "subject": "ball",
        "T1": MetaTensor(image[None], affine=affine),
        "label": MetaTensor(label[None], affine=affine),
    }


@pytest.fixture(scope="module")
def head_pair():
    return HeadPair(KnownWarpPairs([smooth_head()], "T1", "T1", warp_mm=2.0)[0])


def test_the_exact_field_has_no_error_and_brings_images_and_structures_together(head_pair):
    truth = head_pair.item["true_ddf"]
    scores = head_pair.scores(head_pair.images.field_of(truth))
    assert scores["error_mm"] == pytest.approx(0, abs=1e-4)
    assert scores["dice"] > 0.97
    fixed, moving = head_pair.images.arrays()
    warped = warp(moving[None, None], truth[None])[0, 0]
    before, after = ((x - fixed).abs()[head_pair.item["brain"][0]].mean() for x in (moving, warped))
    assert after < 0.25 * before  # two interpolations across the edge of the head


@pytest.mark.parametrize("wrong", [lambda u: 0 * u, lambda u: -u, lambda u: u.flip(0), lambda u: 2 * u])
def test_no_field_one_in_the_other_direction_and_swapped_axes_are_noticed(head_pair, wrong):
    scores = head_pair.scores(head_pair.images.field_of(wrong(head_pair.item["true_ddf"])))
    assert scores["error_mm"] > 1.5
    assert scores["dice"] < 0.93


def test_a_constant_error_is_measured_in_millimeters(head_pair):
    shift = torch.tensor([3.0, 4.0, 0.0]).view(3, 1, 1, 1)
    scores = head_pair.scores(head_pair.images.field_of(head_pair.item["true_ddf"] + shift))
    assert scores["error_mm"] == pytest.approx(5, abs=1e-3)
    assert scores["error_p95_mm"] == pytest.approx(5, abs=1e-3)


@pytest.mark.parametrize(("tool", "module"), [("ants_syn", "ants"), ("greedy_ncc", "picsl_greedy")])
def test_tools_of_others_find_most_of_the_known_warp(head_pair, tool, module):
    pytest.importorskip(module)
    before = head_pair.scores(head_pair.images.field_of(torch.zeros_like(head_pair.item["true_ddf"])))["error_mm"]
    assert head_pair.scores(OtherTool(tool)(head_pair.images))["error_mm"] < 0.6 * before


def test_our_effort_finds_most_of_the_known_warp(head_pair):
    before = head_pair.scores(head_pair.images.field_of(torch.zeros_like(head_pair.item["true_ddf"])))["error_mm"]
    assert head_pair.scores(RegisterTool(effort="fast")(head_pair.images))["error_mm"] < 0.6 * before


def test_every_head_comes_under_its_first_warp_before_a_second_one():
    heads = warped_heads("", ("T1", "T2"), part="fit", num_warps=2)
    names = list(heads)
    assert [name.rpartition("-")[2] for name in names] == ["0", "0", "0", "1", "1", "1"]
    first, again = (heads[names[1]]().images.moving for _ in range(2))
    torch.testing.assert_close(first, again, atol=0, rtol=0)
    assert not first.equal(heads[names[4]]().images.moving)
