"""Cost of the neural mutual information, and of the network at full size.

python scripts/studies/mine_voxelmorph/mine_benchmark.py losses
python scripts/studies/mine_voxelmorph/mine_benchmark.py network
python scripts/studies/mine_voxelmorph/mine_benchmark.py training
"""

import multiprocessing
import resource
import statistics
import time
from collections.abc import Callable

import torch
from monai.networks.nets import VoxelMorph as MonaiVoxelMorph

from common.methods.mine_voxelmorph.image_term import image_similarity
from common.methods.mine_voxelmorph.network import VoxelMorphDiff
from common.methods.mine_voxelmorph.steps import PosteriorRegistrationSteps, joint_adam
from common.precision import multiplies_bfloat16
from common.tools.command_line import run_command

FULL_SHAPE = (160, 192, 224)
ROWS = ("mine_local", "mine_global", "lncc", "mi")


def losses(repeats: int = 7, size: int = 48, num_threads: int = 1) -> str:
    """Median processor seconds of forward and backward pass of each image term, measured in turn in one process.

    Args:
        repeats: rounds; every round runs each row once, after one round to warm up.
        size: voxels per axis.
        num_threads: of torch.

    Returns:
        Markdown table with ratios to LNCC 9³ and to MONAI's mutual information.
    """
    torch.set_num_threads(num_threads)
    generator = torch.Generator().manual_seed(0)
    fixed = torch.rand(1, 1, size, size, size, generator=generator)
    warped = (0.7 * fixed + 0.3 * torch.rand(fixed.shape, generator=generator)).requires_grad_()
    terms = {name: image_similarity(name) for name in ROWS}
    seconds = {name: [] for name in terms}
    for number in range(repeats + 1):
        for name, term in terms.items():
            started = time.process_time()
            term(warped, fixed).backward()
            if number:
                seconds[name].append(time.process_time() - started)
    median = {name: statistics.median(values) for name, values in seconds.items()}
    lines = ["| image term | seconds | / LNCC 9³ | / MONAI MI |", "|---|---:|---:|---:|"]
    for name, value in median.items():
        lines.append(f"| {name} | {value:.4f} | {value / median['lncc']:.2f} | {value / median['mi']:.2f} |")
    return "\n".join(lines)


def network(shape: tuple = FULL_SHAPE, num_threads: int = 1) -> str:
    """Processor seconds and peak memory of one forward pass, each network in a process of its own.

    Args:
        shape: of the images.
        num_threads: of torch.

    Returns:
        Markdown table.
    """
    return _table({"VoxelMorphDiff": _own, "MONAI VoxelMorph, 7 squarings": _monai}, shape, num_threads)


def training(shape: tuple = FULL_SHAPE, num_threads: int = 1) -> str:
    """The same for one step of the joint training, in float32 and, where the processor multiplies it, in bfloat16.

    Args:
        shape: of the images.
        num_threads: of torch.

    Returns:
        Markdown table.
    """
    rows = {"step, float32": _step}
    if multiplies_bfloat16("cpu"):
        rows["step, bfloat16"] = _amp_step
    return _table(rows, shape, num_threads)


def _table(rows: dict[str, Callable], shape: tuple, num_threads: int) -> str:
    lines = ["| what | processor seconds | peak memory (GiB) |", "|---|---:|---:|"]
    for name, function in rows.items():
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            seconds, gib = pool.apply(_measured, (function, shape, num_threads))
        lines.append(f"| {name} | {seconds:.1f} | {gib:.2f} |")
    return "\n".join(lines)


def _measured(function: Callable, shape: tuple, num_threads: int) -> tuple[float, float]:
    torch.set_num_threads(num_threads)
    image = torch.rand(1, 2, *shape, generator=torch.Generator().manual_seed(0))
    started = time.process_time()
    function(image)
    return time.process_time() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def _own(image: torch.Tensor) -> None:
    with torch.no_grad():
        VoxelMorphDiff().eval()(image)


def _monai(image: torch.Tensor) -> None:
    with torch.no_grad():
        MonaiVoxelMorph(integration_steps=7).eval()(image[:, 1:], image[:, :1])


def _step(image: torch.Tensor, amp: bool = False) -> None:
    network, term = VoxelMorphDiff(), image_similarity("mine_local")
    step = PosteriorRegistrationSteps(network, term, joint_adam(network, term), amp=amp)
    step(None, {"image": image, "draw": torch.zeros(1, 2, dtype=torch.int64)})


def _amp_step(image: torch.Tensor) -> None:
    _step(image, amp=True)


if __name__ == "__main__":
    run_command({"losses": losses, "network": network, "training": training})
