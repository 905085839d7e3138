"""Intensities of a volume with mean 0 and standard deviation 1."""

import torch
from monai.data import MetaTensor


def z_score(image: MetaTensor, inside: torch.Tensor | None = None) -> MetaTensor:
    """(image − mean) / standard deviation, over all voxels or over some.

    Args:
        image: (1, X, Y, Z), any unit.
        inside: where mean and deviation are taken, (1, X, Y, Z), bool; None for everywhere.

    Returns:
        The same shape and dtype, without unit.

    Raises:
        ValueError: for a constant image, in which nothing can be registered; names its file.

    Example:
        >>> z_score(MetaTensor(torch.tensor([[[[1.0, 3.0]]]]))).tolist()
        [[[[-1.0, 1.0]]]]
    """
    values = image.as_tensor() if inside is None else image.as_tensor()[inside]
    if values.max() == values.min():
        name = getattr(image, "meta", {}).get("filename_or_obj", "image")
        raise ValueError(f"{name}: expected an image with some contrast, got {values.max().item():g} everywhere")
    mean, deviation = values.double().mean(), values.double().std(correction=0)
    return ((image.double() - mean) / deviation).to(torch.promote_types(image.dtype, torch.float32))
