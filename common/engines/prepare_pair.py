"""What MONAI's engines hand to network and loss of a registration."""

from collections.abc import Mapping
from typing import Any

import torch
from monai.utils import convert_to_tensor


def prepare_pair(
    batchdata: Mapping[str, torch.Tensor],
    device: torch.device | str | None = None,
    non_blocking: bool = False,
    **kwargs: Any,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Input of the network and target of the loss, which are the same: there are no labels.

    Args:
        batchdata: with ``image``, (B, 2, *spatial), fixed first.
        device: where both go.
        non_blocking: see ``torch.Tensor.to``.
        **kwargs: further arguments of ``torch.Tensor.to``.

    Returns:
        ``image`` twice, plain tensors.

    Example:
        >>> network_input, target = prepare_pair({"image": torch.zeros(1, 2, 4, 4)})
        >>> network_input is target
        True
    """
    image = convert_to_tensor(batchdata["image"], track_meta=False)
    image = image.to(device=device, non_blocking=non_blocking, **kwargs)
    return image, image
