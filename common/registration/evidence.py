"""Measures of a registration that need no labels, from both images on a small grid and from the field."""

import torch

from ..losses.local_correlation import LocalCorrelation
from ..losses.mind import mind_ssc
from ..methods.cyclical_self_training.features import MindFeatures
from ..methods.cyclical_self_training.inferer import RefinedInferer
from ..methods.cyclical_self_training.network import ConvexRegistration
from ..solvers.joint_histogram import equalize, normalized_mutual_information
from ..world.grid import Grid
from ..world.maps import WorldMap, affine_after_field
from ..world.resample import resample_smoothly
from .contrast import agreement
from .guidance import NO_GUIDANCE, Guidance
from .small_pair import SmallPair

STRIDE, REACH, CONSISTENCY_ITERATIONS = 2, 2, 15  # of the search for what is left: voxels per cell, cells
LEAST_SIZE = STRIDE * (2 * REACH + 1)  # voxels along an axis that the search has room in
CHANCE_SHARE = 0.125  # of the longest edge: images shifted by it fit by chance only
MIRROR_SHIFTS = 4  # voxels to both sides, for a plane of symmetry that is not in the middle
LEAST_VARIANCE = 1e-4


def evidence(world_map: WorldMap, determinant: torch.Tensor, guidance: Guidance = NO_GUIDANCE) -> dict[str, float]:
    """All measures of a registration, by name.

    Args:
        world_map: the registration.
        determinant: Jacobian determinant on the fixed image's grid, (1, X, Y, Z).
        guidance: masks; outside of them the images are not compared.
    """
    grid = world_map.grid
    fields = {
        "initial": affine_after_field(world_map.initial, None, grid),
        "aligned": affine_after_field(world_map.affine, None, grid),
        "after": world_map.field.as_tensor(),
    }
    images = world_map.fixed, world_map.moving
    pairs = {name: SmallPair.read(*images, field, guidance) for name, field in fields.items()}
    descriptors = {name: mind_ssc(pair.moving) for name, pair in pairs.items()}
    fixed = mind_ssc(pairs["after"].fixed)
    measures = {}
    for when in ("initial", "after"):
        pair = pairs[when]
        compared = pair.foreground & pair.inside
        measures |= {
            f"mind_{when}": _distance(fixed, descriptors[when], compared),
            f"nmi_{when}": _information(pair, compared),
            f"lcc_{when}": _local_correlation(pair),
            f"agreement_{when}": agreement(pair),
        }
    after = pairs["after"]
    compared = after.foreground & after.inside
    measures |= {
        "mind_chance": _by_chance(fixed, descriptors["after"], compared),
        "mind_aligned": _distance(fixed, descriptors["aligned"], compared),
        "mind_mirrored": _mirrored(fixed, pairs["aligned"]),
        "left_mm": _left_mm(after),
        "coverage": (compared.sum() / after.foreground.sum().clamp(min=1)).item(),
        "coverage_initial": _share(pairs["initial"].inside, pairs["initial"].foreground),
        "scale": torch.linalg.det(world_map.affine[:3, :3]).abs().pow(1 / 3).item(),
        "extent_mm": max(after.grid.edges_mm),
        "spacing_mm": max(after.grid.spacing),
    }
    return measures | _field_measures(fields, after, determinant, grid)


def _field_measures(
    fields: dict[str, torch.Tensor], after: SmallPair, determinant: torch.Tensor, grid: Grid
) -> dict[str, float]:
    small = {name: resample_smoothly(field, grid, after.grid) for name, field in fields.items()}
    where = after.foreground[0, 0]
    where = where if where.any() else torch.ones_like(where)
    dense = (small["after"] - small["aligned"]).norm(dim=0)[where]
    whole = (small["after"] - small["initial"]).norm(dim=0)[where]
    values = resample_smoothly(determinant, grid, after.grid)[0][where]
    low, high = values.quantile(values.new_tensor([0.01, 0.99])).tolist()
    inner = determinant[0, 2:-2, 2:-2, 2:-2]
    return {
        "folding_fraction": (inner <= 0).double().mean().item(),
        "jacobian_1_percent": low,
        "jacobian_99_percent": high,
        "dense_mean_mm": dense.mean().item(),
        "dense_95_mm": dense.quantile(0.95).item(),
        "whole_mean_mm": whole.mean().item(),
    }


def _share(part: torch.Tensor, whole: torch.Tensor) -> float:
    return ((part & whole).sum() / whole.sum().clamp(min=1)).item()


def _distance(fixed: torch.Tensor, moving: torch.Tensor, where: torch.Tensor) -> float:
    """Mean absolute difference of two sets of descriptors where asked."""
    difference = (fixed - moving).abs().mean(dim=1, keepdim=True)
    return difference[where].mean().item() if where.any() else float("nan")


def _by_chance(fixed: torch.Tensor, moving: torch.Tensor, where: torch.Tensor) -> float:
    """Mean distance to the moving image shifted to both sides along each axis by an eighth of the longest edge."""
    step = max(1, round(CHANCE_SHARE * max(fixed.shape[2:])))
    found = []
    for axis in (2, 3, 4):
        for sign in (-1, 1):
            valid = where & _moved(where, sign * step, axis)
            found.append(_distance(fixed, moving.roll(sign * step, axis), valid))
    known = [value for value in found if value == value]
    return sum(known) / len(known) if known else float("nan")


def _moved(mask: torch.Tensor, step: int, axis: int) -> torch.Tensor:
    """A mask shifted along an axis, without what comes around the border."""
    moved, size = mask.roll(step, axis), mask.size(axis)
    count = min(abs(step), size)
    moved.narrow(axis, 0 if step > 0 else size - count, count).fill_(False)
    return moved


def _mirrored(fixed: torch.Tensor, pair: SmallPair) -> float:
    """Least distance to the moving image with left and right exchanged, over some planes of symmetry."""
    moving = mind_ssc(pair.moving.flip(2))
    inside = pair.foreground & pair.inside.flip(2)
    shifts = range(-MIRROR_SHIFTS, MIRROR_SHIFTS + 1)
    distances = [_distance(fixed, moving.roll(k, 2), pair.foreground & inside.roll(k, 2)) for k in shifts]
    return min(distances)


def _information(pair: SmallPair, where: torch.Tensor) -> float:
    fixed, moving = pair.fixed[where], pair.moving[where]
    if len(fixed) < 2 or fixed.min() == fixed.max() or moving.min() == moving.max():
        return float("nan")
    return normalized_mutual_information(equalize(fixed), equalize(moving)[None], torch.ones(1, len(fixed))).item()


def _local_correlation(pair: SmallPair) -> float:
    """Mean squared local correlation where neither image is background."""
    if not pair.shared.any():
        return float("nan")
    return LocalCorrelation(pair.fixed, 2, LEAST_VARIANCE)(pair.moving)[pair.shared].mean().item()


def _left_mm(pair: SmallPair) -> float:
    """Mean displacement by which a discrete search by MIND-SSC would still move the moving image, mm; NaN in slabs."""
    if min(pair.fixed.shape[2:]) < LEAST_SIZE:
        return float("nan")
    moving = torch.where(pair.inside, pair.moving, pair.fixed)
    network = ConvexRegistration(MindFeatures(STRIDE), REACH, zero_border=False).eval()
    with torch.no_grad():
        ddf = RefinedInferer(1, CONSISTENCY_ITERATIONS)(torch.cat([pair.fixed, moving], dim=1), network)
    spacing = torch.tensor(pair.grid.spacing).view(1, 3, 1, 1, 1)
    where = pair.foreground & pair.inside
    length = (ddf * spacing).norm(dim=1, keepdim=True)[where]
    return length.mean().item() if len(length) else float("nan")
