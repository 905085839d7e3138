"""Synthetic heads: smooth blobs in an ellipsoid, their values a function of the place in world space."""

import nibabel as nib
import numpy as np
import torch

from common.world.grid import Grid, apply_affine, grid_points

SHAPE = (72, 80, 64)
MAX_BEND_MM = 4.0
MIDDLE_MM = np.array([SHAPE]) / 2
RADII_MM = np.array([28.0, 32.0, 25.0])


def head(points, seed=0):
    """Intensities at world points (..., 3): 0 outside of the head, else 20 to 200."""
    random = np.random.default_rng(seed)
    centers = random.uniform(-0.8, 0.8, (40, 3)) * RADII_MM + MIDDLE_MM
    widths, heights = random.uniform(4, 9, 40), random.uniform(-1, 1, 40)
    value = sum(
        height * np.exp(-((points - center) ** 2).sum(axis=-1) / (2 * width**2))
        for center, width, height in zip(centers, widths, heights, strict=True)
    )
    depth = 1 - np.sqrt((((points - MIDDLE_MM) / RADII_MM) ** 2).sum(axis=-1))
    edge = np.clip(depth * 12 + 0.5, 0, 1)
    return edge * np.clip(110 + 75 * value, 20, 200)


def bend(points, seed=1):
    """Displacement of a smooth map from fixed to moving points, mm, at most ``MAX_BEND_MM``."""
    random = np.random.default_rng(seed)
    waves, phases = random.normal(0, 0.06, (3, 3)), random.uniform(0, 2 * np.pi, 3)
    return np.cos(points @ waves + phases) * MAX_BEND_MM / np.sqrt(3)


def world_points(affine, shape=SHAPE):
    """World points of all voxels, (*shape, 3), mm."""
    index = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1)
    return index @ np.asarray(affine)[:3, :3].T + np.asarray(affine)[:3, 3]


def moving_head(points, seed=0):
    """The head after the bend: moving(p + bend(p)) = head(p), by the inverse of the bend."""
    source = points
    for _ in range(12):
        source = points - bend(source)
    return head(source, seed)


def head_pair(affine=None):
    """Fixed and moving head on one grid, (72, 80, 64) each."""
    points = world_points(np.eye(4) if affine is None else affine)
    return head(points), moving_head(points)


def write(path, array, affine=None, change=None):
    """Save an array as NIfTI; ``change`` gets the image before that."""
    image = nib.Nifti1Image(np.asarray(array), np.eye(4) if affine is None else affine)
    if change is not None:
        change(image)
    nib.save(image, path)
    return str(path)


def labels_of(image):
    """Label map of a head: 1 to 3 by its intensity, 0 outside."""
    return np.digitize(image, [15, 90, 140]).astype(np.uint8)


def error_mm(move_points, matrix=None):
    """Mean distance from where points of the head belong, mm.

    Args:
        move_points: maps points of the fixed image (N, 3) to the moving one.
        matrix: how far the moving image was moved after the bend, (4, 4).
    """
    points = grid_points(Grid(SHAPE, torch.eye(4)), slice(0, None, 5))[:, ::5, ::5].reshape(-1, 3)
    points = points[torch.from_numpy((((points.numpy() - MIDDLE_MM) / RADII_MM) ** 2).sum(axis=1) < 0.9)]
    truth = points + torch.from_numpy(bend(points.numpy()))
    truth = truth if matrix is None else apply_affine(torch.as_tensor(matrix), truth)
    return (move_points(points) - truth).norm(dim=1).mean().item()
