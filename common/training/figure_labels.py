"""Words at the edges of a picture."""

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

MARGIN = 34  # pixels left of the picture and above it, for labels
LINE = 14  # pixels of a line of text


def labeled(
    picture: torch.Tensor, rows: Sequence[str], columns: Sequence[str], captions: Sequence[str] = ()
) -> torch.Tensor:
    """A picture of equal rows and columns with a label at each of them and captions below, black on white.

    Args:
        picture: (3, H, W) in [0, 1].
        rows: labels from top to bottom, spread evenly over the height.
        columns: labels from left to right.
        captions: lines below the picture.

    Returns:
        (3, H', W') in [0, 1], larger by margins of 34 pixels left and above and 14 per caption below; at least as wide
        as the captions.

    Example:
        >>> labeled(torch.zeros(3, 60, 80), ["a", "b"], ["c"]).shape
        torch.Size([3, 94, 114])
    """
    font = ImageFont.load_default()
    height, width = picture.shape[1:]
    longest = max((round(font.getlength(text)) + MARGIN for text in captions), default=0)
    canvas = torch.ones(3, MARGIN + height + LINE * len(captions), max(MARGIN + width, longest))
    canvas[:, MARGIN : MARGIN + height, MARGIN : MARGIN + width] = picture
    image = Image.fromarray((255 * canvas.movedim(0, -1)).round().byte().numpy())
    draw = ImageDraw.Draw(image)
    for number, text in enumerate(rows):
        draw.text((MARGIN - 4, MARGIN + (number + 0.5) * height / len(rows)), text, "black", font, anchor="rm")
    for number, text in enumerate(columns):
        draw.text((MARGIN + (number + 0.5) * width / len(columns), MARGIN - 4), text, "black", font, anchor="mb")
    for number, text in enumerate(captions):
        draw.text((MARGIN, MARGIN + height + number * LINE), text, "black", font)
    return torch.from_numpy(np.asarray(image).copy()).movedim(-1, 0) / 255
