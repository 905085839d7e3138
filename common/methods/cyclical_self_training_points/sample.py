"""Lung-shaped keypoint clouds of the sample population, with exact correspondences for landmarks."""

import torch

LUNG_CENTERS = ((0.0, 0.0, -0.38), (0.0, 0.0, 0.38))
LUNG_SEMI_AXES = (0.72, 0.5, 0.27)
APEX = 0.72
EXPANSION = (0.12, 0.08, 0.06)
NUM_BUMPS = 12
BUMP_WIDTH = 0.3
BUMP_HEIGHT = 0.02
SHARED_FRACTION = 0.7
JITTER = 0.003
MM_PER_UNIT = (150.0, 160.0, 160.0)


def sample_keypoint_pair(
    index: int, seed: int = 0, num_fixed: int = 1200, num_moving: int = 2400, num_landmarks: int = 300
) -> dict[str, torch.Tensor]:
    """Keypoints of an exhaled (fixed) and an inhaled (moving) pair of lungs.

    The motion is an expansion away from the apex plus smooth random bumps. Part of the fixed keypoints
    reappear in the moving cloud, slightly displaced; its other keypoints have no partner. Landmarks
    correspond exactly.

    Args:
        index: number of the pair, from 0; with ``seed`` it determines every coordinate.
        seed: number of the population.
        num_fixed: keypoints of the fixed cloud, N.
        num_moving: keypoints of the moving cloud, M.
        num_landmarks: L.

    Returns:
        ``fixed_points`` (N, 3), ``moving_points`` (M, 3), ``fixed_landmarks`` and ``moving_landmarks`` (L,
        3), all within [-1, 1], and ``mm_per_unit`` (3,).

    Raises:
        ValueError: a count below 1 or a negative index.

    Example:
        >>> pair = sample_keypoint_pair(0)
        >>> pair["fixed_points"].shape, pair["moving_points"].shape
        (torch.Size([1200, 3]), torch.Size([2400, 3]))
    """
    if min(num_fixed, num_moving, num_landmarks) < 1 or index < 0:
        raise ValueError(
            "expected an index from 0 and at least 1 point of each kind, got "
            f"index {index}, {num_fixed} fixed, {num_moving} moving, {num_landmarks} landmarks"
        )
    generator = torch.Generator().manual_seed(seed * 65537 + index)
    bumps = torch.stack([_lung_points(NUM_BUMPS, generator), torch.randn(NUM_BUMPS, 3, generator=generator)])
    fixed, landmarks = _lung_points(num_fixed, generator), _lung_points(num_landmarks, generator)
    num_shared = min(round(SHARED_FRACTION * num_fixed), num_moving)
    others = _lung_points(num_moving - num_shared, generator)
    moving = _move(torch.cat([fixed[:num_shared], others]), bumps)
    moving = moving + JITTER * torch.randn(moving.shape, generator=generator)
    return {
        "fixed_points": fixed,
        "moving_points": moving[torch.randperm(num_moving, generator=generator)].clamp(-1, 1),
        "fixed_landmarks": landmarks,
        "moving_landmarks": _move(landmarks, bumps),
        "mm_per_unit": torch.tensor(MM_PER_UNIT),
    }


def _lung_points(num_points: int, generator: torch.Generator) -> torch.Tensor:
    """Points spread evenly over two ellipsoids."""
    direction = torch.nn.functional.normalize(torch.randn(num_points, 3, generator=generator), dim=1)
    radius = torch.rand(num_points, 1, generator=generator) ** (1 / 3)
    side = torch.randint(2, (num_points,), generator=generator)
    return torch.tensor(LUNG_CENTERS)[side] + radius * direction * torch.tensor(LUNG_SEMI_AXES)


def _move(points: torch.Tensor, bumps: torch.Tensor) -> torch.Tensor:
    """x + e · (x − apex) + Σ_b h_b exp(−‖x − c_b‖² / 2w²)."""
    centers, heights = bumps[0], BUMP_HEIGHT * bumps[1]
    weights = torch.exp(-(torch.cdist(points, centers) ** 2) / (2 * BUMP_WIDTH**2))
    expansion = torch.tensor(EXPANSION) * (points - torch.tensor([APEX, 0.0, 0.0]))
    return points + expansion + weights @ heights
