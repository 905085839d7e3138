import pytest
import torch
from torch.nn import functional

from common.fields.ddf import compose, invert, warp
from common.fields.jacobian import central_difference, jacobian_determinant
from common.fields.sampling import identity_grid
from common.fields.smoothing import gaussian_smooth
from common.losses.mind import mind_ssc
from common.solvers import greedy, image_force, in_view
from common.solvers.greedy import compose_short, greedy_field, has_converged
from common.solvers.greedy_settings import Greedy
from common.solvers.image_force import Force, described, difference_force
from common.solvers.moving_view import MovingView

SHAPES = {2: (40, 36), 3: (28, 26, 24)}


def texture(dims, seed=0, batch=1):
    """Smooth random intensities in [0, 1]."""
    noise = torch.rand(batch, 1, *SHAPES[dims], generator=torch.Generator().manual_seed(seed))
    smooth = gaussian_smooth(noise, 2.0)
    return (smooth - smooth.min()) / (smooth.max() - smooth.min())


def smooth_field(dims, size=1.5):
    field = torch.randn(1, dims, *SHAPES[dims], generator=torch.Generator().manual_seed(1))
    field = gaussian_smooth(field, 4.0)
    return size * field / field.abs().max()


def zero(dims, batch=1):
    return torch.zeros(batch, dims, *SHAPES[dims])


def inner(field):
    return field[(..., *[slice(7, -7)] * (field.dim() - 2))]


def shifted_pair(dims, axis, voxels):
    """Fixed and moving image with moving(x + voxels along the axis) = fixed(x) off the border."""
    fixed = texture(dims)
    return fixed, fixed.roll(voxels, axis + 2)


def two_features(image):
    """The image and how it changes, neither of which is the other."""
    return torch.cat([image, 3 * central_difference(image, 2)], dim=1)


@pytest.mark.parametrize("similarity", ["lncc", "mse", "mind", "features"])
@pytest.mark.parametrize(("dims", "axis", "voxels"), [(2, 0, 2), (2, 1, -2), (3, 0, -2), (3, 1, 1), (3, 2, 2)])
def test_a_shift_of_whole_voxels_is_recovered(dims, axis, voxels, similarity):
    fixed, moving = shifted_pair(dims, axis, voxels)
    ddf = greedy_field(zero(dims), fixed, moving, 80, Greedy(similarity, fluid=3.0), features=two_features)
    expected = torch.zeros(dims)
    expected[axis] = voxels
    torch.testing.assert_close(inner(ddf).mean(dim=(0, *range(2, dims + 2))), expected, atol=0.15, rtol=0)


def test_descriptors_given_as_features_have_the_same_force():
    images = shifted_pair(2, 0, 2)
    found = greedy_field(zero(2), *images, 20, Greedy("features"), features=mind_ssc)
    assert torch.equal(found, greedy_field(zero(2), *images, 20, Greedy("mind")))


def test_images_given_as_features_have_the_force_of_their_difference():
    images = shifted_pair(2, 0, 2)
    found = greedy_field(zero(2), *images, 20, Greedy("features"), features=torch.clone)
    assert torch.equal(found, greedy_field(zero(2), *images, 20, Greedy("mse")))


@pytest.mark.parametrize("similarity", ["lncc", "mse"])
@pytest.mark.parametrize("dims", [2, 3])
def test_a_smooth_warp_is_found_without_folds_and_inverted(dims, similarity):
    truth, moving = smooth_field(dims), texture(dims)
    fixed = warp(moving, truth)
    ddf = greedy_field(zero(dims), fixed, moving, 80, Greedy(similarity))
    assert inner(ddf - truth).norm(dim=1).mean() < 0.35 * inner(truth).norm(dim=1).mean()
    assert jacobian_determinant(ddf).min() > 0
    assert inner(compose(ddf, invert(ddf))).abs().max() < 0.02


@pytest.mark.parametrize("dims", [2, 3])
def test_an_inverted_contrast_is_no_hindrance_for_descriptors(dims):
    fixed, moving = shifted_pair(dims, 0, 2)
    ddf = greedy_field(zero(dims), fixed, 1 - moving, 80, Greedy("mind", fluid=3.0))
    assert inner(ddf)[0, 0].mean().item() == pytest.approx(2, abs=0.15)


@pytest.mark.parametrize("similarity", ["lncc", "mse", "mind"])
@pytest.mark.parametrize("axis", [0, 1])
def test_mirrored_images_give_mirrored_fields(axis, similarity):
    fixed, moving = texture(2), texture(2, seed=3)
    found, mirrored = (
        greedy_field(zero(2), *images, 6, Greedy(similarity))
        for images in ((fixed, moving), (fixed.flip(axis + 2), moving.flip(axis + 2)))
    )
    sign = torch.ones(1, 2, 1, 1)
    sign[:, axis] = -1
    torch.testing.assert_close(mirrored, sign * found.flip(axis + 2), atol=1e-3, rtol=0)
    assert found.abs().max() > 0.5


def test_a_batch_equals_a_loop():
    fixed, moving = texture(2, batch=3), texture(2, seed=3, batch=3)
    start = torch.cat([smooth_field(2, size) for size in (0.0, 0.5, 1.0)])
    whole = greedy_field(start, fixed, moving, 30)
    alone = [greedy_field(*(x[k : k + 1] for x in (start, fixed, moving)), 30) for k in range(3)]
    assert torch.equal(whole, torch.cat(alone))


def test_one_and_two_threads_agree():
    fixed, moving, found = texture(3), texture(3, seed=3), []
    before = torch.get_num_threads()
    for number in (1, 2):
        torch.set_num_threads(number)
        found.append(greedy_field(zero(3), fixed, moving, 20))
    torch.set_num_threads(before)
    assert (found[0] - found[1]).abs().max() < 1e-4


def test_a_wider_moving_image_gives_the_same_and_where_it_ends_nothing_is_compared():
    fixed, moving = shifted_pair(2, 0, 2)
    wide = functional.pad(moving, (5, 5, 4, 4), mode="replicate")
    options = {"to_moving": torch.tensor([[1.0, 0.0, 4.0], [0.0, 1.0, 5.0]])}
    found = greedy_field(zero(2), fixed, wide, 10, **options)
    torch.testing.assert_close(found, greedy_field(zero(2), fixed, moving, 10), atol=1e-3, rtol=0)
    nothing = greedy_field(zero(2), fixed, wide, 10, **options, inside=torch.zeros_like(wide))
    assert nothing.abs().max() < 1e-6


def runaway(least_kept, monkeypatch):
    """Share of a bright image that a dark one, brightest at its end, is still compared with."""
    monkeypatch.setattr(in_view, "LEAST_KEPT", least_kept)
    wide = torch.linspace(0, 0.8, 56).view(1, 1, 56, 1).expand(1, 1, 56, 36)
    inside = torch.zeros_like(wide)
    inside[:, :, 8:48] = 1
    to_moving = torch.tensor([[1.0, 0.0, 8.0], [0.0, 1.0, 0.0]])
    fixed, settings = torch.ones(1, 1, *SHAPES[2]), Greedy("mse", tolerance=0.0)
    ddf = greedy_field(zero(2), fixed, wide, 100, settings, to_moving=to_moving, inside=inside)
    return MovingView(wide, inside, to_moving).seen(ddf).double().mean().item()


def test_an_object_does_not_leave_the_field_of_view_of_an_image_that_does_not_match(monkeypatch):
    assert runaway(0.8, monkeypatch) >= 0.8 - 1 / 40  # of 40 rows a step brings less than one beyond the bound
    assert runaway(0.0, monkeypatch) < 0.5


def test_images_that_match_are_registered_as_if_no_share_were_asked_for(monkeypatch):
    fixed, moving = shifted_pair(2, 0, 3)
    ends = {"inside": functional.pad(torch.ones(1, 1, 28, 36), (0, 0, 6, 6))}  # two rows on each side are hidden
    found = []
    for least_kept in (0.8, 0.0):
        monkeypatch.setattr(in_view, "LEAST_KEPT", least_kept)
        found.append(greedy_field(zero(2), fixed, moving, 40, **ends))
    assert torch.equal(*found)


@pytest.mark.parametrize("similarity", ["lncc", "mse", "mind"])
@pytest.mark.parametrize("side", [0, 1])
def test_where_a_mask_is_zero_there_is_no_force(side, similarity):
    images, lesion, settings = list(shifted_pair(2, 0, 1)), torch.zeros(1, 1, *SHAPES[2]), Greedy(similarity)
    lesion[..., 12:24, 10:22] = 1
    images[side] = torch.where(lesion > 0, 0.9, images[side])
    masks = [None, None]
    masks[side] = 1 - lesion
    force = Force(described(images[0], settings), settings, masks[0])
    view = MovingView(described(images[1], settings), None, torch.eye(2, 3), masks[1])
    _, update = force(view.warped(zero(2)))
    assert update[:, :, 12:24, 10:22].abs().max() == 0
    assert update[:, :, :12].abs().max() > 0


def test_a_force_that_carries_goes_on_into_a_masked_region_and_is_the_same_outside():
    fixed, moving = shifted_pair(2, 0, 1)
    mask = torch.ones(1, 1, *SHAPES[2])
    mask[..., 12:24, 10:22] = 0
    (_, nil), (_, carried) = (
        Force(fixed, Greedy("mse"), mask, carries=carries)(moving.clone()) for carries in (False, True)
    )
    torch.testing.assert_close(carried * mask, nil)
    assert (carried * (1 - mask)).abs().max() > 0
    assert carried.abs().max() == nil.abs().max()


def test_what_lies_in_the_mask_of_the_moving_image_does_not_matter():
    fixed, moving = shifted_pair(2, 0, 1)
    mask, found = torch.ones(1, 1, *SHAPES[2]), []
    mask[..., 12:24, 10:22] = 0
    for brightness in (0.2, 0.9):
        seen = torch.where(mask > 0, moving, brightness)
        found.append(greedy_field(zero(2), fixed, seen, 20, masks=(None, mask)))
    assert torch.equal(*found)
    assert not torch.equal(found[0], greedy_field(zero(2), fixed, seen, 20))


def test_a_mask_of_ones_changes_nothing():
    images, ones = shifted_pair(2, 0, 2), torch.ones(1, 1, *SHAPES[2])
    assert torch.equal(greedy_field(zero(2), *images, 10, masks=(ones, ones)), greedy_field(zero(2), *images, 10))


def test_the_force_is_the_gradient_of_the_similarity_for_a_shift_of_all_voxels():
    fixed, moving = texture(2).double(), texture(2, seed=3).double()
    force, moved = Force(fixed, Greedy()), zero(2).double()
    step = torch.zeros_like(moved)
    step[:, 0] = 1e-3 * torch.exp(-((identity_grid(list(SHAPES[2])) - 18) ** 2).sum(dim=0) / 50)
    # Central differences of the warped image, not of its linear interpolation, stand for its slope.
    similarity, direction = force(moving)
    slope = central_difference(moving, 2)
    later, earlier = (force(moving + sign * slope * step[:, :1])[0] for sign in (1, -1))
    expected = (direction * step).sum() / force.num_textured
    assert (later - earlier) / 2 == pytest.approx(expected.item(), rel=1e-3)
    assert 0 < similarity < 1


@pytest.mark.parametrize("axis", [0, 1])
def test_the_force_of_features_is_the_gradient_of_their_distance_over_its_norm(axis):
    fixed, moving = (two_features(texture(2, seed=seed)).double() for seed in (0, 3))
    slopes = [central_difference(moving, k + 2) for k in range(2)]
    step = 1e-3 * torch.exp(-((identity_grid(list(SHAPES[2])) - 18) ** 2).sum(dim=0) / 50).double()
    _, direction = difference_force(fixed, moving)
    later, earlier = (difference_force(fixed, moving + sign * slopes[axis] * step)[0] for sign in (1, -1))
    norm = sum(slope.square().sum(dim=1) for slope in slopes) + (fixed - moving).square().sum(dim=1)
    # S = -mean over voxels and channels of r², so dS = 2 Σ r ∇w ds / (N C).
    expected = 2 * (direction[:, axis] * norm * step).sum() / fixed.numel()
    assert (later - earlier) / 2 == pytest.approx(expected.item(), rel=1e-6)


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("slab_voxels", [1, 1200, 2000])
def test_a_force_in_slabs_is_that_of_all_at_once(dims, slab_voxels, monkeypatch):
    pair = [two_features(texture(dims, seed=seed)) for seed in (0, 3)]
    whole = difference_force(*pair)
    monkeypatch.setattr(image_force, "SLAB_VOXELS", slab_voxels)
    torch.testing.assert_close(difference_force(*pair), whole)


def test_a_short_composition_differs_from_the_exact_one_in_second_order():
    u = smooth_field(3).double()
    errors = []
    for size in (0.4, 0.2):
        v = size * smooth_field(3).double().flip(1)
        exact = u + v + sum(central_difference(u, axis + 2) * v[:, axis : axis + 1] for axis in range(3))
        torch.testing.assert_close(compose_short(u, v), exact)
        errors.append(inner(compose(u, v) - compose_short(u, v)).abs().max())
    assert errors[1] < errors[0] < 0.05


def test_it_ends_when_the_similarity_no_longer_rises():
    fixed, seen = texture(2), []
    greedy_field(zero(2), fixed, fixed, 50, Greedy(patience=4), on_iteration=lambda i, value: seen.append((i, value)))
    assert [i for i, _ in seen] == [0, 1, 2, 3, 4]
    assert seen[0][1] == pytest.approx(1, abs=1e-3)
    assert not has_converged([0.1, 0.2, 0.3], Greedy(patience=3))


def test_it_stays_on_the_device_and_dtype_of_the_field():
    fixed = texture(2)
    assert greedy_field(zero(2).double(), fixed, fixed, 1).dtype == torch.float64
    assert greedy_field(zero(2).half(), fixed, fixed, 1).dtype == torch.float32
    assert torch.equal(greedy_field(zero(2), fixed, fixed, 0), zero(2))


def test_wrong_arguments_are_refused():
    for wrong in ({"similarity": "mi"}, {"radius": 0}, {"step": 0.0}, {"fluid": -1.0}):
        with pytest.raises(ValueError, match="expected"):
            Greedy(**wrong)
    with pytest.raises(ValueError, match=r"one pair per field, got \[1, 2, 40, 36\], \[2, 1, 40, 36\]"):
        greedy_field(zero(2), texture(2, batch=2), texture(2), 1)
    with pytest.raises(ValueError, match="expected the features of a network beside, got none"):
        greedy_field(zero(2), texture(2), texture(2), 1, Greedy("features"))
    with pytest.raises(ValueError, match="finite similarity, got nan in iteration 0"):
        greedy_field(zero(2), texture(2) * float("nan"), texture(2), 1)


@pytest.mark.parametrize(
    ("module", "name", "planted"),
    [
        (image_force, "central_difference", lambda volume, axis: -central_difference(volume, axis)),
        (
            image_force,
            "central_difference",
            lambda volume, axis: central_difference(volume, 5 - axis if volume.dim() == 4 else axis),
        ),
        (greedy, "bounded", lambda update, longest: update.flip(1)),
    ],
)
def test_a_planted_error_is_found(module, name, planted, monkeypatch):
    monkeypatch.setattr(module, name, planted)
    with pytest.raises(AssertionError):
        test_a_shift_of_whole_voxels_is_recovered(2, 0, 2, "lncc")
