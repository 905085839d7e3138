"""Random directions on the unit sphere, the same after a resume and in every process."""

import torch
from torch import nn

from ...randomness import sample_generator


def random_directions(num_projections: int, num_components: int, generator: torch.Generator) -> torch.Tensor:
    """Unit vectors, uniformly distributed on the sphere.

    Args:
        num_projections: K.
        num_components: E.
        generator: source of randomness, on the CPU.

    Returns:
        (K, E), float32, unit rows.

    Example:
        >>> directions = random_directions(4, 3, torch.Generator().manual_seed(0))
        >>> directions.norm(dim=1).round(decimals=4).tolist()
        [1.0, 1.0, 1.0, 1.0]
    """
    return nn.functional.normalize(torch.randn(num_projections, num_components, generator=generator), dim=1)


class ProjectionDirections(nn.Module):
    """A source of directions: new ones at every call, or always the same.

    The directions follow from the seed and the number of the call alone. That number is part of the state dict, so a
    resumed training goes on with the directions it would have drawn, and all processes of a training draw the same.

    Args:
        num_projections: K, ≥ 1.
        num_components: E, ≥ 1.
        redraw: whether calls in training mode differ. Calls in evaluation mode never do.
        seed: ≥ 0.

    Raises:
        ValueError: where a number is not positive.

    Example:
        >>> directions, image = ProjectionDirections(400, 50), torch.zeros(1)
        >>> directions(image).shape, bool((directions(image) == directions(image)).all())
        (torch.Size([400, 50]), False)
    """

    def __init__(self, num_projections: int, num_components: int, redraw: bool = True, seed: int = 0):
        super().__init__()
        if min(num_projections, num_components) < 1:
            raise ValueError(
                f"expected num_projections and embedding of at least 1, got {num_projections} and {num_components}"
            )
        self.shape = (num_projections, num_components)
        self.redraw, self.seed = redraw, seed
        self.register_buffer("num_calls", torch.zeros((), dtype=torch.int64))

    def forward(self, like: torch.Tensor) -> torch.Tensor:
        """Directions (K, E) on the device and with the dtype of ``like``."""
        call = 0
        if self.redraw and self.training:
            self.num_calls += 1
            call = int(self.num_calls)
        return random_directions(*self.shape, sample_generator(self.seed, 0, call)).to(like)


class ProjectedLoss(nn.Module):
    """A dissimilarity of images along directions: a method ``distance`` and :class:`ProjectionDirections` for it.

    Args:
        num_projections: K.
        num_components: E, of a direction.
        power: p of the distance.
        redraw: whether every call in training mode draws new directions.
        seed: of the directions.
    """

    def __init__(self, num_projections: int, num_components: int, power: int, redraw: bool = True, seed: int = 0):
        super().__init__()
        self.power = power
        self.directions = ProjectionDirections(num_projections, num_components, redraw, seed)

    def distance(self, warped: torch.Tensor, fixed: torch.Tensor, directions: torch.Tensor) -> torch.Tensor:
        """Distances of images (B, 1, *spatial) along directions (K, E), of any shape."""
        raise NotImplementedError

    def forward(
        self, warped: torch.Tensor, fixed: torch.Tensor, directions: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Mean distance of images (B, 1, *spatial), along the given directions (K, E) or the module's own: a scalar."""
        directions = self.directions(fixed) if directions is None else directions
        return self.distance(warped, fixed, directions).mean()
