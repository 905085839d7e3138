import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from common import precision as mixed_precision
from common.fields.ddf import compose, warp
from common.methods.cyclical_self_training.feature_refinement import AdamSettings
from common.methods.cyclical_self_training.features import FeatureNetwork, MindFeatures
from common.methods.cyclical_self_training.inferer import RefinedInferer
from common.methods.cyclical_self_training.network import ConvexRegistration

SHAPE = (16, 16, 16)


class GivenFields:
    """In place of a network: every solve gives the next of some fields, in voxels."""

    stride = fine_stride = 1
    fine_offset = 0.0

    def __init__(self, *fields):
        self.fields, self.seen = list(fields), []

    def features(self, image):
        self.seen.append(image)
        return image, image

    def match(self, fixed, moving):
        return self.fields.pop(0)

    def to_voxels(self, field, shape, new_stride):
        return field


def smooth_field(seed):
    field = torch.randn(1, 3, *SHAPE, generator=torch.Generator().manual_seed(seed))
    for _ in range(6):
        field = torch.nn.functional.avg_pool3d(field, 3, 1, 1)
    return 2 * field / field.abs().max()


def image(shift=3):
    volume = torch.randn(1, 1, 24, 24, 24, generator=torch.Generator().manual_seed(0))
    moving = torch.nn.functional.avg_pool3d(volume, 5, 1, 2) * 6
    return torch.cat([moving.roll(-shift, 2), moving], 1)


def test_one_warp_without_refinement_is_the_network():
    network = ConvexRegistration(MindFeatures(4)).eval()
    assert torch.allclose(RefinedInferer(1, 0)(image(), network), network(image()), atol=1e-5)


def test_the_field_of_two_warps_warps_as_both_do_one_after_the_other():
    first, second, pair = smooth_field(0), smooth_field(1), smooth_field(2)[:, :2]
    found = RefinedInferer(2, 0)(pair, GivenFields(first, second))
    assert torch.allclose(found, compose(first, second), atol=1e-5)
    twice, once = warp(warp(pair[:, 1:], first), second), warp(pair[:, 1:], found)
    assert (twice - once)[..., 4:-4, 4:-4, 4:-4].abs().mean() < 0.02


def test_the_released_composition_has_the_other_order():
    first, second, pair = smooth_field(0), smooth_field(1), torch.zeros(1, 2, *SHAPE)
    found = RefinedInferer(2, 0, composition="released")(pair, GivenFields(first, second))
    assert torch.allclose(found, compose(second, first), atol=1e-5)
    assert (found - compose(first, second)).norm(dim=1).mean() > 0.02


def test_every_solve_sees_the_original_moving_image_warped_once():
    network, pair = GivenFields(smooth_field(0), smooth_field(1), smooth_field(2)), smooth_field(3)[:, :2]
    RefinedInferer(3, 0)(pair, network)
    expected = warp(pair[:, 1:], compose(smooth_field(0), smooth_field(1)))
    assert torch.allclose(network.seen[-1], expected, atol=1e-5)


def test_consistency_takes_the_mean_of_both_directions():
    network = GivenFields(torch.full((1, 3, *SHAPE), 1.0), torch.full((1, 3, *SHAPE), -0.5))
    found = RefinedInferer(1, 15)(torch.zeros(1, 2, *SHAPE), network)
    assert torch.allclose(found, torch.full_like(found, 0.75))


def test_the_border_of_adam_is_that_of_the_inferer():
    constant, blank = torch.full((1, 3, *SHAPE), 4.0), torch.zeros(1, 2, *SHAPE)
    adam = AdamSettings(1, 0.1, 6.5, velocity=True)
    corners = [
        RefinedInferer(1, 0, replace(adam, zero_border=zero))(blank, GivenFields(constant))[0, 0, 0, 0, 0]
        for zero in (False, True)
    ]
    assert corners[0] == pytest.approx(4.0, abs=1e-4)
    assert corners[1] < 3.0


def test_adam_leaves_the_border_where_the_inferer_says_so():
    network, pair = ConvexRegistration(MindFeatures(4)).eval(), image()
    solve = RefinedInferer(1, 0)(pair, network)
    adam = AdamSettings(10, 0.3, 0.1, 0, velocity=True, zero_border=False)
    free, still = (RefinedInferer(1, 0, replace(adam, fixed_border=fixed))(pair, network) for fixed in (False, True))
    moved, kept = ((field - solve)[..., 0, :].abs().max() for field in (free, still))
    assert kept < 0.5 * moved


@pytest.mark.parametrize("name", ["train.json", "inference.json"])
def test_the_shipped_refinements_have_the_border_of_the_solver(name):
    content = json.loads((Path("bundles/cyclical_self_training/configs") / name).read_text(encoding="utf-8"))
    assert content["adam"]["zero_border"] == content["network_def"]["zero_border"] == "@zero_border"
    assert content["adam"]["fixed_border"] == content["refinement"]["fixed_border"] == "@fixed_border"
    inferer = content["inferer"] if name == "inference.json" else content["train"]["inferer"]
    assert inferer["adam"].lstrip("$").startswith("@adam")
    assert inferer["refinement"].lstrip("$").startswith("@refinement")
    assert inferer["seed"] == "@seed"


def test_mixed_precision_changes_little(monkeypatch):
    monkeypatch.setattr(mixed_precision, "multiplies_bfloat16", lambda device_type: True)
    torch.manual_seed(0)
    network = ConvexRegistration(FeatureNetwork(strides=(2, 1, 2, 1, 1)), feature_scale=50.0).eval()
    with torch.no_grad():
        full, half = (RefinedInferer(1, 0, amp=amp)(image(), network) for amp in (False, True))
    assert half.dtype == torch.float32
    assert (full - half).norm(dim=1).mean() < 0.3


def test_an_unknown_composition_is_an_error():
    with pytest.raises(ValueError, match="composition of exact, released, got 1 and 'sum'"):
        RefinedInferer(1, composition="sum")


def test_the_refinement_on_images_goes_on_from_what_adam_found():
    adam = AdamSettings(2, 1.0, 6.5)
    network, pair = ConvexRegistration(MindFeatures(4)).eval(), image()
    seen = []

    def refine(ddf, inputs):
        seen.append((ddf, inputs))
        return ddf + 1

    before, refined = RefinedInferer(1, 0, adam).solve(pair, network, torch.Generator().manual_seed(0))
    again, twice = RefinedInferer(1, 0, adam, refine).solve(pair, network, torch.Generator().manual_seed(0))
    assert torch.equal(again, before)
    assert torch.equal(seen[0][0], refined)
    assert torch.equal(seen[0][1], pair)
    assert torch.equal(twice, refined + 1)


def test_nearest_label_warps_show_the_next_solve_only_intensities_of_the_image():
    first, second, pair = smooth_field(0), smooth_field(1), smooth_field(2)[:, :2]
    network = GivenFields(first, second)
    RefinedInferer(2, 0, interpolation="nearest")(pair, network)
    assert torch.equal(network.seen[-1], warp(pair[:, 1:], first, "nearest"))


def test_an_unknown_interpolation_is_refused():
    with pytest.raises(ValueError, match="interpolation"):
        RefinedInferer(interpolation="cubic")
