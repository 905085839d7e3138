"""Seconds and memory of training steps and registrations on a GPU, at the sizes of the papers.

python scripts/studies/all/benchmark_gpu.py
"""

import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial

import torch

from common.methods.cyclical_self_training.feature_refinement import AdamSettings
from common.methods.cyclical_self_training.features import FeatureNetwork
from common.methods.cyclical_self_training.inferer import RefinedInferer
from common.methods.cyclical_self_training.network import ConvexRegistration
from common.methods.cyclical_self_training.student import ImageStudentLoss
from common.methods.mine_voxelmorph.image_term import image_similarity
from common.methods.mine_voxelmorph.network import VoxelMorphDiff
from common.methods.mine_voxelmorph.steps import PosteriorRegistrationSteps, joint_adam
from common.methods.self_training.stages import SelfTrainingStep
from common.tools.command_line import run_command
from common.tools.results.tables import markdown_table

SELF_TRAINING_SHAPE, MINE_SHAPE = (192, 160, 256), (160, 192, 224)


def benchmark(
    device: str = "cuda:0",
    repeats: int = 7,
    self_training_shape: Sequence[int] = SELF_TRAINING_SHAPE,
    mine_shape: Sequence[int] = MINE_SHAPE,
) -> None:
    """Print the median seconds of each row, after two calls to warm up, and the most memory that is allocated then.

    Rows of a method are measured in turn; the memory holds its network, optimizer and one pair. The images are noise:
    no row depends on what they show.

    Args:
        device: cuda:0, …; on cpu no memory is measured.
        repeats: of each row.
        self_training_shape: of the images of cyclical_self_training, two pairs per step.
        mine_shape: of those of mine_voxelmorph, one pair per step.
    """
    name = torch.cuda.get_device_name(device) if device.startswith("cuda") else device
    measured = {}
    for method, shape in ((_self_training, self_training_shape), (_mine, mine_shape)):
        measured |= _measured(method(tuple(shape), device), device, repeats)
    lines = [[row, f"{seconds:.4f}", f"{gib:.2f}"] for row, (seconds, gib) in measured.items()]
    print(f"{name}, torch {torch.__version__}\n\n{markdown_table(['what', 'seconds', 'GiB'], lines)}")


def _self_training(shape: tuple[int, ...], device: str) -> dict[str, Callable]:
    network = ConvexRegistration(FeatureNetwork()).to(device, memory_format=torch.channels_last_3d)
    optimizer = torch.optim.Adam(network.parameters())
    nodes = [size // 2 for size in shape]
    batch = {"image": torch.rand(2, 2, *shape), "label": torch.zeros(2, 3, *nodes)}
    pair = batch["image"][:1].to(device)
    refined = partial(RefinedInferer(adam=AdamSettings(regularization_weight=6.5)), pair)
    title = f"cyclical_self_training, {_by(shape)}"
    rows: dict[str, Callable] = {}
    for kind, amp in (("bfloat16", True), ("float32", False)):
        step = SelfTrainingStep(network, optimizer, ImageStudentLoss(crop=2, amp=amp))
        rows[f"{title}: step of two pairs, {kind}"] = lambda step=step: step(None, batch)
    rows[f"{title}: one solve"] = lambda: _without_gradient(network.eval(), pair)
    rows[f"{title}: two warps and 50 iterations of Adam"] = lambda: _without_gradient(refined, network.eval())
    return rows


def _mine(shape: tuple[int, ...], device: str) -> dict[str, Callable]:
    network, term = VoxelMorphDiff().to(device), image_similarity("mine_local").to(device)
    batch = {"image": torch.rand(1, 2, *shape), "draw": torch.zeros(1, 2, dtype=torch.int64)}
    pair = batch["image"].to(device)
    title = f"mine_voxelmorph, {_by(shape)}"
    rows: dict[str, Callable] = {}
    for kind, amp in (("bfloat16", True), ("float32", False)):
        step = PosteriorRegistrationSteps(network, term, joint_adam(network, term), amp=amp)
        rows[f"{title}: step, {kind}"] = lambda step=step: step(None, batch)
    rows[f"{title}: registration"] = lambda: _without_gradient(network.eval(), pair)
    return rows


def _without_gradient(function: Callable, argument: torch.Tensor | torch.nn.Module) -> torch.Tensor:
    with torch.no_grad():
        return function(argument)


def _measured(rows: dict[str, Callable], device: str, repeats: int) -> dict[str, tuple[float, float]]:
    cuda = device.startswith("cuda")
    taken: dict[str, list[float]] = {name: [] for name in rows}
    peaks = dict.fromkeys(rows, 0.0)
    for number in range(repeats + 2):
        for name, function in rows.items():
            if cuda:
                torch.cuda.reset_peak_memory_stats(device)
                torch.cuda.synchronize(device)
            started = time.perf_counter()
            function()
            if cuda:
                torch.cuda.synchronize(device)
                peaks[name] = torch.cuda.max_memory_allocated(device) / 2**30
            if number >= 2:
                taken[name].append(time.perf_counter() - started)
    return {name: (statistics.median(values), peaks[name]) for name, values in taken.items()}


def _by(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape))


if __name__ == "__main__":
    run_command(benchmark)
