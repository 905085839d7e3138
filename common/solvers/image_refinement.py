"""A field of a pair of images, made better by some steps of Adam on the images themselves."""

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional

from ..fields.ddf import resize, warp
from ..losses.mind import mind_ssc
from ..losses.registration import diffusion
from ..losses.similarity import dissimilarity
from .instance import optimize_field

SQUARINGS = 7
COARSE_SQUARINGS = 4  # a velocity of several voxels is but one or two control points long


class ImageRefinement:
    """id + u = (id + u₀) ∘ exp(v), with v from some steps of Adam on the pair.

    min over v of D(m ∘ (id + u), f) + weight · diffusion(u). D compares MIND-SSC descriptors, which hold for images of
    any two contrasts, or is a dissimilarity by name. The result folds where u₀ does and, since exp(v) is integrated
    and interpolated, where a small weight leaves v too rough for its grid.

    Args:
        num_steps: of Adam; 0 leaves the refinement out.
        similarity: mind, or a name of :func:`~common.losses.similarity.dissimilarity`.
        weight: of the smoothness of the whole field in voxels.
        learning_rate: voxels by which coefficients of v move in each of the first steps.
        control_spacing: distance of these coefficients, voxels.
        shrink: how many times fewer voxels per axis the refinement's grid has; rate, weight and spacing count in its
            voxels.
        coarse_integration: whether exp(v) is made on the control points, which takes a third of the time; see
            :func:`~.instance.optimize_field`.
        fixed_border: whether v is 0 at the border of the grid, so that beyond it the result folds only where u₀ does.

    Raises:
        ValueError: for a negative number of steps or weight.

    Example:
        >>> ddf, image = torch.zeros(1, 3, 8, 8, 8), torch.rand(1, 2, 8, 8, 8)
        >>> ImageRefinement(num_steps=1)(ddf, image).shape
        torch.Size([1, 3, 8, 8, 8])
    """

    def __init__(
        self,
        num_steps: int = 10,
        similarity: str = "mind",
        weight: float = 0.1,
        learning_rate: float = 0.2,
        control_spacing: int = 2,
        shrink: int = 2,
        coarse_integration: bool = False,
        fixed_border: bool = False,
    ) -> None:
        if num_steps < 0 or weight < 0 or shrink < 1:
            raise ValueError(
                "expected num_refinement_steps and refinement_weight ≥ 0 and refinement_shrink ≥ 1,"
                f" got {num_steps}, {weight} and {shrink}"
            )
        self.num_steps, self.weight, self.shrink, self.similarity = num_steps, weight, shrink, similarity
        self.options = {
            "learning_rate": learning_rate,
            "control_spacing": control_spacing,
            "coarse_integration": coarse_integration,
            "fixed_border": fixed_border,
            "num_integration_steps": COARSE_SQUARINGS if coarse_integration else SQUARINGS,
        }
        self.describe: Callable = mind_ssc if similarity == "mind" else nn.Identity()
        self.compare = nn.MSELoss() if similarity == "mind" else dissimilarity(similarity)

    def with_steps(self, num_steps: int) -> "ImageRefinement":
        """The same with another number of steps."""
        options = {name: value for name, value in self.options.items() if name != "num_integration_steps"}
        return ImageRefinement(num_steps, self.similarity, self.weight, shrink=self.shrink, **options)

    def __call__(self, ddf: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
        """Better field of pairs (B, 2, *spatial), fixed first, from one of theirs: (B, 3, *spatial), voxels."""
        if self.num_steps == 0:
            return ddf
        full = list(image.shape[2:])
        small = [max(size // self.shrink, 2) for size in full]
        with torch.no_grad():
            fixed, moving = (shrunk(self.describe(image[:, k : k + 1].float()), small) for k in (0, 1))

        def loss(field: torch.Tensor) -> torch.Tensor:
            return self.compare(warp(moving, field), fixed) + self.weight * diffusion(field)

        start = resize(ddf, small)
        found = optimize_field(start, loss, num_iterations=self.num_steps, velocity=True, **self.options)
        return resize(found, full)


def shrunk(volume: torch.Tensor, spatial_shape: list[int]) -> torch.Tensor:
    """Volume (B, C, *spatial) on a coarser grid with the same outermost voxel centers, as ``resize`` has them."""
    if list(volume.shape[2:]) == spatial_shape:
        return volume
    smooth = functional.avg_pool3d(functional.pad(volume, (1,) * 6, mode="replicate"), 3, stride=1)
    return functional.interpolate(smooth, spatial_shape, mode="trilinear", align_corners=True)
