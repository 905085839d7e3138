"""Cost of the neural mutual information, and of the network at full size.

python scripts/studies/mine_voxelmorph/mine_benchmark.py losses
python scripts/studies/mine_voxelmorph/mine_benchmark.py network
python scripts/studies/mine_voxelmorph/mine_benchmark.py training
"""

import multiprocessing
import time
from collections.abc import Callable
from functools import partial

import torch
from monai.networks.nets import VoxelMorph as MonaiVoxelMorph

from common.memory import peak_memory_gib
from common.methods.mine_voxelmorph.image_term import image_similarity
from common.methods.mine_voxelmorph.network import VoxelMorphDiff
from common.methods.mine_voxelmorph.steps import PosteriorRegistrationSteps, joint_adam
from common.precision import multiplies_bfloat16
from common.tools.command_line import run_command
from common.tools.results.tables import markdown_table
from common.tools.results.timing import median_seconds

FULL_SHAPE = (160, 192, 224)
ROWS = ("mine_local", "mine_global", "lncc", "mi")


def losses(repeats: int = 7, size: int = 48, num_threads: int = 1) -> str:
    """Median processor seconds of forward and backward pass of each image term, measured in turn in one process.

    Args:
        repeats: rounds; every round runs each row once, after one round to warm up.
        size: voxels per axis.
        num_threads: of torch.
    """
    torch.set_num_threads(num_threads)
    generator = torch.Generator().manual_seed(0)
    fixed = torch.rand(1, 1, size, size, size, generator=generator)
    warped = (0.7 * fixed + 0.3 * torch.rand(fixed.shape, generator=generator)).requires_grad_()
    terms = {name: image_similarity(name) for name in ROWS}
    median = median_seconds({name: partial(_pass, term, warped, fixed) for name, term in terms.items()}, repeats)
    lines = [[name, f"{s:.4f}", f"{s / median['lncc']:.2f}", f"{s / median['mi']:.2f}"] for name, s in median.items()]
    return markdown_table(["image term", "seconds", "/ LNCC 9³", "/ MONAI MI"], lines)


def _pass(term: torch.nn.Module, warped: torch.Tensor, fixed: torch.Tensor) -> None:
    term(warped, fixed).backward()


def network(shape: tuple = FULL_SHAPE, num_threads: int = 1) -> str:
    """Processor seconds and peak memory of one forward pass, each network in a process of its own."""
    return _table({"VoxelMorphDiff": _own, "MONAI VoxelMorph, 7 squarings": _monai}, shape, num_threads)


def training(shape: tuple = FULL_SHAPE, num_threads: int = 1) -> str:
    """The same for one step of the joint training, in float32 and, where the processor multiplies it, in bfloat16."""
    rows = {"step, float32": _step}
    if multiplies_bfloat16("cpu"):
        rows["step, bfloat16"] = partial(_step, amp=True)
    return _table(rows, shape, num_threads)


def _table(rows: dict[str, Callable], shape: tuple, num_threads: int) -> str:
    lines = []
    for name, function in rows.items():
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            seconds, gib = pool.apply(_measured, (function, shape, num_threads))
        lines.append([name, f"{seconds:.1f}", f"{gib:.2f}"])
    return markdown_table(["what", "processor seconds", "peak memory (GiB)"], lines)


def _measured(function: Callable, shape: tuple, num_threads: int) -> tuple[float, float]:
    torch.set_num_threads(num_threads)
    image = torch.rand(1, 2, *shape, generator=torch.Generator().manual_seed(0))
    started = time.process_time()
    function(image)
    return time.process_time() - started, peak_memory_gib("cpu")


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


if __name__ == "__main__":
    run_command({"losses": losses, "network": network, "training": training})
