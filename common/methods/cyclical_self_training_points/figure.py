"""Picture of a keypoint registration: both clouds before and after, from the front and from the side."""

import torch
from ignite.engine import Engine

from ...training.figures import tile

SIZE = 192
PLANES = ((0, 2), (0, 1))
COLORS = {"moving": (0.15, 0.35, 0.85), "fixed": (0.9, 0.25, 0.1)}


def keypoint_picture(fixed: torch.Tensor, moving: torch.Tensor, moved: torch.Tensor) -> torch.Tensor:
    """Moving points in blue with fixed points in red: before | after, front view above side view.

    Args:
        fixed: (N, 3), axes superior, posterior, left, in [−1, 1].
        moving: (M, 3).
        moved: fixed points after the registration, (N, 3).

    Returns:
        (3, H, W), in [0, 1].

    Example:
        >>> keypoint_picture(*[torch.zeros(1, 3)] * 3).shape
        torch.Size([3, 386, 386])
    """
    return tile([[_draw(moving, points, plane) for points in (fixed, moved)] for plane in PLANES])


def _draw(moving: torch.Tensor, fixed: torch.Tensor, plane: tuple[int, int]) -> torch.Tensor:
    picture = torch.ones(3, SIZE, SIZE)
    for name, points in (("moving", moving), ("fixed", fixed)):
        pixels = ((points[:, list(plane)].clamp(-1, 1) + 1) / 2 * (SIZE - 2)).long()
        rows, columns = SIZE - 2 - pixels[:, 0], pixels[:, 1]
        for shift in (0, 1):
            picture[:, rows, columns + shift] = torch.tensor(COLORS[name])[:, None]
    return picture


class KeypointFigure:
    """The picture of the first pair of an engine's last output."""

    def __call__(self, engine: Engine) -> torch.Tensor:
        """Picture (3, H, W)."""
        item = {**engine.state.batch[0], **engine.state.output[0]}
        fixed, moving, displacements = (
            torch.as_tensor(item[key]).cpu() for key in ("fixed_points", "moving_points", "displacements")
        )
        return keypoint_picture(fixed, moving, fixed + displacements)
