"""Affine registration by mutual information, from coarse to fine and from many starts."""

import math
from itertools import product

import torch
import torch.nn.functional as F

from ..fields.sampling import sample
from ..words import one_of
from ..world.grid import Grid
from ..world.resample import shrink
from .joint_histogram import equalize, normalized_mutual_information

NUM_PARAMETERS = {"rigid": 6, "affine": 12}
LEVELS = (24, 48, 96)  # voxels along the longest edge of the fixed image
NUM_ITERATIONS = 50
NUM_SAMPLES = (12_000, 40_000, 120_000)  # points of the fixed image per iteration, at most
START_DEGREES = 20.0  # rotations about the three axes from which the coarsest level starts, −, 0 and +
START_ITERATIONS = 12
STEP = 0.25  # first step of Adam, voxels of the level
NUM_KEPT = 4  # starts that the coarsest level goes on with


def affine_by_mutual_information(
    fixed: torch.Tensor,
    fixed_grid: Grid,
    moving: torch.Tensor,
    moving_grid: Grid,
    initial: torch.Tensor | None = None,
    kind: str = "affine",
) -> torch.Tensor:
    """World matrix A that maximizes the normalized mutual information of fixed(p) and moving(A p).

    Adam works on A = A₀ · T(θ) with T about the middle of the fixed image; all entries of θ are in mm at its typical
    radius. The coarsest level starts from 27 rotations and goes on with the best four, the finer ones from its best.
    Six parameters converge first, so that twelve always start from the same place.

    Args:
        fixed: (1, X, Y, Z), any unit.
        fixed_grid: its grid.
        moving: (1, X', Y', Z'), any unit, of any contrast.
        moving_grid: its grid.
        initial: A₀, (4, 4), RAS mm; None for the identity.
        kind: "rigid" or "affine".

    Returns:
        (4, 4), float64, RAS mm, from the fixed image's world to the moving image's.

    Raises:
        ValueError: for an unknown kind, a constant image, or images that do not overlap.

    Reference:
        Studholme et al., An overlap invariant entropy measure of 3D medical image alignment, Pattern Recognition 1999;
        starts as in Jenkinson and Smith, A global optimisation method for robust affine registration, 2001.
    """
    one_of("affine", kind, NUM_PARAMETERS)
    device = fixed.device
    initial = (torch.eye(4) if initial is None else initial).to(device, torch.float64)
    corners = fixed_grid.corners
    center = corners.mean(dim=0).to(device)
    radius = (corners - corners.mean(dim=0)).norm(dim=1).mean().item() / 2
    images = (fixed, fixed_grid, moving, moving_grid)
    objectives = [
        Objective(images, max(fixed_grid.edges_mm) / voxels, samples, initial, center, radius)
        for voxels, samples in zip(LEVELS, NUM_SAMPLES, strict=True)
    ]
    theta, scores = maximize(objectives[0], _starts(radius).to(device), "rigid", START_ITERATIONS)
    theta = theta[scores.topk(NUM_KEPT).indices]
    for objective in objectives:
        theta, scores = maximize(objective, theta, "rigid", NUM_ITERATIONS)
        theta = theta[scores.argmax()][None]
    for objective in objectives[1:] if kind == "affine" else ():
        theta, _ = maximize(objective, theta, "affine", NUM_ITERATIONS)
    return (initial @ transform(theta.double(), center, radius)[0]).cpu()


class Objective:
    """Normalized mutual information on one level as a function of θ.

    Args:
        images: fixed image, its grid, moving image, its grid, as :func:`affine_by_mutual_information` has them.
        spacing_mm: both images are averaged to about this voxel size.
        num_samples: points of the fixed image, at most.
        initial: A₀.
        center: (3,), RAS mm, of rotation.
        radius: mm, by which rotations, scales and shears are measured.
    """

    def __init__(
        self,
        images: tuple[torch.Tensor, Grid, torch.Tensor, Grid],
        spacing_mm: float,
        num_samples: int,
        initial: torch.Tensor,
        center: torch.Tensor,
        radius: float,
    ):
        fixed, fixed_grid = shrink(*images[:2], spacing_mm)
        moving, moving_grid = shrink(*images[2:], spacing_mm)
        self.spacing_mm = max(spacing_mm, *fixed_grid.spacing)
        values, voxels = _sampled(equalize(fixed)[0], num_samples)
        self.fixed, self.points_mm = values, fixed_grid.voxel_to_world(voxels)
        self.moving = torch.cat([equalize(moving), torch.ones_like(moving)])[None]
        self.world_to_moving = torch.linalg.inv(moving_grid.affine).to(initial) @ initial
        self.center, self.radius = center, radius

    def __call__(self, theta: torch.Tensor) -> torch.Tensor:
        """Scores (B,) of parameters (B, 12)."""
        matrix = self.world_to_moving @ transform(theta.double(), self.center, self.radius)
        voxels = (self.points_mm @ matrix[:, :3, :3].mT + matrix[:, None, :3, 3]).float()
        moving = self.moving.expand(len(theta), -1, -1, -1, -1)
        values = sample(moving, voxels.mT[..., None, None], padding_mode="zeros")[..., 0, 0]
        inside = values[:, 1]
        return normalized_mutual_information(self.fixed, values[:, 0] / inside.clamp(min=1e-3), inside)


def maximize(
    objective: Objective, theta: torch.Tensor, kind: str, num_iterations: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Adam from several starts at once, with a step that falls from a fourth of a voxel to nothing as half a cosine.

    Args:
        objective: maps (B, 12) to scores (B,).
        theta: (B, 12), starts.
        kind: "rigid" or "affine": which parameters move.
        num_iterations: steps.

    Returns:
        The last θ, (B, 12), and its scores (B,).
    """
    theta = theta.clone().requires_grad_()
    free = torch.arange(theta.shape[1], device=theta.device) < NUM_PARAMETERS[kind]
    optimizer = torch.optim.Adam([theta], lr=objective.spacing_mm * STEP, betas=(0.8, 0.99))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, num_iterations)
    for _ in range(num_iterations):
        (gradient,) = torch.autograd.grad(-objective(theta).sum(), theta)
        theta.grad = gradient * free
        optimizer.step()
        schedule.step()
    with torch.no_grad():
        return theta.detach(), objective(theta)


def transform(theta: torch.Tensor, center: torch.Tensor, radius: float) -> torch.Tensor:
    """Matrix of p ↦ c + t + R · S · (p − c): rotation R = exp[r]ₓ, upper triangular S = exp of scales and shears.

    Args:
        theta: (B, 12), mm: t, then r, the logarithms of the scales, and the shears xy, xz, yz, each times ``radius``.
        center: c, (3,), mm.
        radius: mm.

    Returns:
        (B, 4, 4).

    Example:
        >>> theta = torch.zeros(1, 12)
        >>> theta[0, 5] = math.pi / 2  # about the third axis
        >>> transform(theta, torch.zeros(3), 1.0)[0, :2, :2].round().tolist()
        [[0.0, -1.0], [1.0, 0.0]]
    """
    shift, rotation, scale, shear = theta.split(3, dim=1)
    x, y, z = (rotation / radius).unbind(dim=1)
    zero = torch.zeros_like(x)
    skew = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=1).view(-1, 3, 3)
    xy, xz, yz = (shear / radius).unbind(dim=1)
    sx, sy, sz = (scale / radius).unbind(dim=1)
    upper = torch.stack([sx, xy, xz, zero, sy, yz, zero, zero, sz], dim=1).view(-1, 3, 3)
    linear = torch.linalg.matrix_exp(skew) @ torch.linalg.matrix_exp(upper)
    offset = center.to(theta) + shift - (linear @ center.to(theta)[:, None])[..., 0]
    return F.pad(torch.cat([linear, offset[..., None]], dim=2), (0, 0, 0, 1)) + torch.diag(
        theta.new_tensor([0, 0, 0, 1])
    )


def _starts(radius: float) -> torch.Tensor:
    """27 rotations, (27, 12)."""
    angles = [sign * math.radians(START_DEGREES) * radius for sign in (0, -1, 1)]
    theta = torch.zeros(27, 12)
    theta[:, 3:6] = torch.tensor(list(product(angles, repeat=3)))
    return theta


def _sampled(volume: torch.Tensor, max_samples: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Values (N,) and voxel coordinates (N, 3) of at most about ``max_samples`` voxels, scattered evenly."""
    step = max(1, math.ceil(volume.numel() / max_samples))
    # A step that shares no factor with the axes scatters the voxels over all of them.
    while step > 1 and any(math.gcd(step, size) > 1 for size in volume.shape):
        step += 1
    index = torch.arange(0, volume.numel(), step, device=volume.device)
    coordinates = torch.stack(torch.unravel_index(index, volume.shape), dim=1)
    return volume.flatten()[index], coordinates
