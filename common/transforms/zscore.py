"""Intensities of a volume with mean 0 and standard deviation 1."""

import torch
from monai.data import MetaTensor


def z_score(image: MetaTensor) -> MetaTensor:
    """(image − mean) / standard deviation, over all voxels.

    Args:
        image: (1, X, Y, Z), any unit.

    Returns:
        The same shape and dtype, without unit.

    Raises:
        ValueError: for a constant image, in which nothing can be registered; names its file.

    Example:
        >>> z_score(MetaTensor(torch.tensor([[[[1.0, 3.0]]]]))).tolist()
        [[[[-1.0, 1.0]]]]
    """
    if image.max() == image.min():
        name = getattr(image, "meta", {}).get("filename_or_obj", "image")
        raise ValueError(f"{name}: expected an image with some contrast, got {image.max().item():g} everywhere")
    values = image.double()
    return ((values - values.mean()) / values.std(correction=0)).to(torch.promote_types(image.dtype, torch.float32))
