"""Pull an image back through a displacement field."""

import torch

from .grid import at_least_float32, check_ddf, identity_grid, sample


def warp(moving: torch.Tensor, ddf: torch.Tensor, mode: str = "bilinear", padding_mode: str = "border") -> torch.Tensor:
    """Pull the moving image back: warped(x) = moving(x + u(x)).

    Computed in float32, or float64 where an argument is float64, under autocast too.

    Args:
        moving: image, label map or field, (B, C, *spatial).
        ddf: u, (B, D, *spatial), voxels, component k along tensor axis k.
        mode: "bilinear", or "nearest" for label maps.
        padding_mode: "border" repeats the outermost voxels, "zeros" puts zeros around the image.

    Returns:
        Warped image on the grid of ``ddf``, (B, C, *spatial).

    Raises:
        ValueError: where ``ddf`` has not one component per axis of ``moving``.

    Example:
        >>> moving = torch.arange(4.0).expand(1, 1, 4, 4)
        >>> ddf = torch.tensor([0.0, 1.0]).view(1, 2, 1, 1).expand(1, 2, 4, 4)
        >>> warp(moving, ddf)[0, 0, 0].tolist()
        [1.0, 2.0, 3.0, 3.0]

    Reference:
        Jaderberg et al., Spatial Transformer Networks, NeurIPS 2015, equation 5.
    """
    check_ddf(ddf)
    ddf = at_least_float32(ddf)
    identity = identity_grid(ddf.shape[2:], dtype=ddf.dtype, device=ddf.device)
    return sample(moving, identity + ddf, mode, padding_mode)
