"""What a rigid map must leave of an ellipsoid without texture that was sheared, and what the affine step leaves.

    python scripts/studies/all/sheared_ellipsoid.py
    python scripts/studies/all/sheared_ellipsoid.py --tools ours_rigid,ours,ants_rigid,ants

Two rigid maps can be written down: the one whose points lie nearest to the sheared ones, and the one that lays the
principal axes of both ellipsoids on each other, under which they overlap most. The images show only the second.
"""

import math
from collections.abc import Iterator, Sequence

import torch
from affine_trials import TOOLS
from monai.data import MetaTensor

from common.tools.command_line import run_command
from common.words import one_of
from common.world.grid import Grid, apply_affine, grid_points

GRID = Grid((72, 80, 64), torch.eye(4))
HALF_AXES_MM = torch.tensor([30.0, 26.0, 22.0], dtype=torch.float64)
EDGE = 8.0  # slope of the soft edge, per share of the half axes


def sheared_ellipsoid(shear: float = 0.15, tools: str = "ours_rigid,ours") -> None:
    """Print how far maps of the first axis' shear along the second are off, mean and largest over the ellipsoid, mm.

    Args:
        shear: x gains this times y.
        tools: of affine_trials.py, separated by commas.
    """
    print("| map | mean error (mm) | largest (mm) | turn about the third axis (°) |\n|---|---:|---:|---:|")
    for row in rows(shear, tools.split(",")):
        print("| {} | {:.2f} | {:.2f} | {:.1f} |".format(*row))


def rows(shear: float, tools: Sequence[str]) -> Iterator[tuple[str, float, float, float]]:
    """Name of each map, its mean and largest error, mm, and its turn, degrees: those written down, then the tools'."""
    truth = torch.eye(3, dtype=torch.float64)
    truth[0, 1] = shear
    truth = _about_the_center(truth)
    nothing = torch.eye(4, dtype=torch.float64)
    fixed, moving = ellipsoid(nothing), ellipsoid(truth)
    points = GRID.voxel_to_world((fixed.as_tensor()[0] > 50).nonzero())
    targets = apply_affine(truth, points)
    maps = {
        "no map": nothing,
        "the nearest rigid map": nearest_rigid(points, targets),
        "principal axes on each other": _about_the_center(turn(axes_turn(shear))),
    }
    for tool in tools:
        one_of("tools", tool, TOOLS)
        maps[tool] = TOOLS[tool](fixed, moving)
    for name, matrix in maps.items():
        error_mm = (apply_affine(matrix, points) - targets).norm(dim=1)
        degrees = math.degrees(math.atan2(matrix[1, 0] - matrix[0, 1], matrix[0, 0] + matrix[1, 1]))
        yield name, error_mm.mean().item(), error_mm.max().item(), degrees


def ellipsoid(matrix: torch.Tensor) -> MetaTensor:
    """One intensity and a soft edge; its points have gone the way of a matrix (4, 4)."""
    points = apply_affine(torch.linalg.inv(matrix), grid_points(GRID, slice(None)).view(-1, 3)) - GRID.center
    distance = (points / HALF_AXES_MM).norm(dim=1).view(1, *GRID.spatial_shape)
    return MetaTensor(((1 - distance) * EDGE + 0.5).clamp(0, 1).float() * 100, affine=GRID.affine)


def nearest_rigid(points: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """The rigid map (4, 4) of points (N, 3) with the least mean squared distance to their targets.

    Example:
        >>> square = torch.tensor([[1.0, 0, 0], [0, 1, 0], [-1, 0, 0], [0, -1, 0]]).double()
        >>> nearest_rigid(square, square @ turn(math.pi / 2).T)[:2, :2].round().abs().tolist()
        [[0.0, 1.0], [1.0, 0.0]]

    Reference:
        Kabsch, A solution for the best rotation to relate two sets of vectors, Acta Crystallographica 1976.
    """
    start, end = points.mean(dim=0), targets.mean(dim=0)
    left, _, right = torch.linalg.svd((targets - end).T @ (points - start))
    sign = torch.tensor([1.0, 1.0, torch.linalg.det(left @ right).sign()], dtype=points.dtype)
    matrix = torch.eye(4, dtype=points.dtype)
    matrix[:3, :3] = left * sign @ right
    matrix[:3, 3] = end - matrix[:3, :3] @ start
    return matrix


def axes_turn(shear: float) -> float:
    """Angle by which the shear S turns the principal axes about the third, radians: tan 2α = 2 c₀₁ / (c₀₀ − c₁₁).

    c = S diag(a²) Sᵀ with the half axes a, of which the first is the longest.

    Example:
        >>> axes_turn(0.0), round(math.degrees(axes_turn(0.15)), 1)
        (0.0, 20.1)
    """
    first, second = HALF_AXES_MM[:2].square().tolist()
    return math.atan2(2 * shear * second, first + shear**2 * second - second) / 2


def turn(angle: float) -> torch.Tensor:
    """Rotation about the third axis, (3, 3)."""
    matrix = torch.eye(3, dtype=torch.float64)
    matrix[:2, :2] = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    return matrix


def _about_the_center(linear: torch.Tensor) -> torch.Tensor:
    matrix = torch.eye(4, dtype=torch.float64)
    matrix[:3, :3], matrix[:3, 3] = linear, GRID.center - linear @ GRID.center
    return matrix


if __name__ == "__main__":
    run_command(sheared_ellipsoid)
