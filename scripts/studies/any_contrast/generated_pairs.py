"""A picture of generated pairs: fixed image, moving image, moving image under the right field, labels of the anatomy.

python scripts/studies/any_contrast/generated_pairs.py bundles/any_contrast/docs/figures/generated_pairs.png
"""

from pathlib import Path

import torch
from PIL import Image

from common.data.sample.any_pair import random_pair
from common.fields.ddf import warp
from common.methods.any_contrast.intensity import normalized_intensity
from common.tools.command_line import run_command
from common.training.figures import tile

ROWS = ("fixed", "moving", "warped", "fixed_label")


def generated_pairs(output: str, num_pairs: int = 10, size: int = 64, seed: int = 0) -> None:
    """Write middle planes, a pair per column, as PNG.

    Args:
        output: file.
        num_pairs: columns.
        size: voxels per axis.
        seed: of the first pair.
    """
    columns = []
    for number in range(num_pairs):
        pair = random_pair((size,) * 3, torch.Generator().manual_seed(seed + number))
        pair["warped"] = warp(pair["moving"][None], pair["ddf"][None])[0]
        columns.append([_gray(pair[name]) for name in ROWS])
    picture = tile([list(row) for row in zip(*columns, strict=True)])
    Path(output).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray((255 * picture[0]).round().byte().numpy()).save(output, optimize=True)


def _gray(volume: torch.Tensor) -> torch.Tensor:
    """Middle plane of (1, X, Y, Z) as picture (3, X, Y)."""
    gray = (normalized_intensity(volume[None])[0, ..., volume.shape[-1] // 2] + 1) / 2
    return gray.clamp(0, 1).expand(3, -1, -1)


if __name__ == "__main__":
    run_command(generated_pairs)
