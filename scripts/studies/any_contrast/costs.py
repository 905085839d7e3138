"""Processor seconds of a generated pair and of the features of an image, on one core.

python scripts/studies/any_contrast/costs.py --size 64
"""

import time
from collections.abc import Callable

import torch

from common.data.sample.any_pair import random_pair
from common.losses.mind import mind_ssc
from common.methods.any_contrast.network import AnyContrastFeatures
from common.tools.command_line import run_command


def costs(size: int = 64, repeats: int = 10) -> str:
    """Means over some repeats, in lines.

    Args:
        size: voxels per axis.
        repeats: of each.
    """
    torch.set_num_threads(1)
    network, image = AnyContrastFeatures().eval(), torch.rand(1, 1, size, size, size)
    generator = torch.Generator().manual_seed(0)
    million = size**3 / 1e6
    with torch.no_grad():
        pair = _seconds(lambda: random_pair((size,) * 3, generator), repeats)
        features = _seconds(lambda: network(image), repeats) / million
        descriptors = _seconds(lambda: mind_ssc(image), repeats) / million
    return (
        f"pair of {size}³: {pair:.2f} s\nfeatures: {features:.2f} s per million voxels\n"
        f"MIND-SSC alone: {descriptors:.2f} s per million voxels"
    )


def _seconds(call: Callable, repeats: int) -> float:
    call()
    started = time.process_time()
    for _ in range(repeats):
        call()
    return (time.process_time() - started) / repeats


if __name__ == "__main__":
    run_command(costs)
