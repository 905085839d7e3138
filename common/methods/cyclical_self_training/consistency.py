"""Forward–backward consistency: two fields brought closer to being inverse to each other."""

import torch

from ...fields.ddf import warp


def make_consistent(
    forward: torch.Tensor, backward: torch.Tensor, num_iterations: int = 15
) -> tuple[torch.Tensor, torch.Tensor]:
    """Iterate u ← ½ (u − v(x + u)), v ← ½ (v − u(x + v)), both from the fields of the last round.

    Where id + v is the inverse of id + u, u = −v(x + u), so such a pair does not change.

    Args:
        forward: u, fixed to moving, (B, D, *cells), in cells of this grid.
        backward: v, moving to fixed, of the same shape.
        num_iterations: rounds, 15 in the authors' code.

    Returns:
        The two fields.

    Raises:
        ValueError: for fields of different shapes.

    Example:
        >>> u, v = torch.full((1, 2, 3, 3), 0.5), torch.full((1, 2, 3, 3), -0.3)
        >>> [round(field.mean().item(), 3) for field in make_consistent(u, v)]
        [0.4, -0.4]

    Reference:
        Bigalke et al., MICCAI 2023, section 2.3.1, first refinement; after the code of convexAdam.
    """
    if forward.shape != backward.shape:
        raise ValueError(f"expected fields of one shape, got {list(forward.shape)} and {list(backward.shape)}")
    for _ in range(num_iterations):
        forward, backward = (
            0.5 * (forward - warp(backward, forward)),
            0.5 * (backward - warp(forward, backward)),
        )
    return forward, backward
