"""The result of a registration: what it maps, what it warps, what it writes."""

import os
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from monai.data import MetaTensor

from ..data.volume import input_label
from ..world.grid import Grid, on_grid
from ..world.maps import invert_field_mm, invert_points
from ..world.resample import move_points, warp_moving


@dataclass(eq=False)
class Registration:
    """A map of world points of the fixed image to world points of the moving image, φ(p) = p + u(p).

    Args:
        fixed: (1, X, Y, Z), MetaTensor.
        moving: (1, X', Y', Z'), MetaTensor.
        field: u, (3, X, Y, Z), RAS mm, on the fixed image's grid; initial alignment and affine included.
        initial: (4, 4), RAS mm, the alignment before anything was optimized.
        affine: (4, 4), RAS mm, initial alignment and affine together, φ without its dense part.
        settings: what it was made with, for the records.
        seconds: how long it took.

    Example:
        >>> image = MetaTensor(torch.rand(1, 4, 4, 4), affine=torch.eye(4))
        >>> shift = MetaTensor(torch.ones(3, 4, 4, 4), affine=torch.eye(4))
        >>> registration = Registration(image, image, shift)
        >>> registration.move_points(torch.zeros(1, 3)).tolist()
        [[1.0, 1.0, 1.0]]
        >>> registration.inverse.unique().round().tolist()
        [-1.0]
    """

    fixed: MetaTensor
    moving: MetaTensor
    field: MetaTensor
    initial: torch.Tensor = field(default_factory=lambda: torch.eye(4, dtype=torch.float64))
    affine: torch.Tensor = field(default_factory=lambda: torch.eye(4, dtype=torch.float64))
    settings: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def grid(self) -> Grid:
        """Grid of the fixed image and of the field."""
        return Grid.from_image(self.field)

    def warp(
        self, image: str | os.PathLike | MetaTensor, mode: str = "bilinear", background: float | None = 0.0
    ) -> MetaTensor:
        """Bring an image of the moving image's world onto the fixed image's grid, interpolated once.

        Args:
            image: NIfTI file or volume (1, X', Y', Z'); the moving image, or another on any grid in the same world.
            mode: "bilinear", or "nearest" for label maps.
            background: value outside the image; None repeats its border voxels.

        Returns:
            (1, X, Y, Z).
        """
        image = input_label(image)
        warped = warp_moving(image, Grid.from_image(image), self.field.as_tensor(), self.grid, mode, background)
        return on_grid(warped, self.grid, like=image)

    @cached_property
    def inverse(self) -> MetaTensor:
        """Field of φ⁻¹ on the moving image's grid, (3, X', Y', Z'), RAS mm: it warps the fixed image."""
        target = Grid.from_image(self.moving)
        inverse = invert_field_mm(self.field.as_tensor(), self.grid, target, self.affine)
        return on_grid(inverse, target, like=self.moving)

    def move_points(self, points_mm: torch.Tensor) -> torch.Tensor:
        """Points of the fixed image to the moving image, p ↦ φ(p): (N, 3) → (N, 3), RAS mm."""
        return move_points(points_mm, self.field.as_tensor(), self.grid)

    def move_points_back(self, points_mm: torch.Tensor) -> torch.Tensor:
        """Points of the moving image to the fixed image, q ↦ φ⁻¹(q): (N, 3) → (N, 3), RAS mm."""
        return invert_points(points_mm, self.field.as_tensor(), self.grid, self.affine)

    def save(self, output_dir: str | os.PathLike, **options: Any) -> dict[str, Any]:
        """Write all results; options and return value are those of :func:`.outputs.save_registration`."""
        from .outputs import save_registration

        return save_registration(self, output_dir, **options)
