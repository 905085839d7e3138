"""Dice of a labeled abdominal CT that seeded smooth warps have moved, with different features in one solver.

    python scripts/studies/cyclical_self_training/abdomen_warps.py CT.nii.gz SEG.nii.gz
    python scripts/studies/cyclical_self_training/abdomen_warps.py CT.nii.gz SEG.nii.gz --trained True
    python scripts/studies/cyclical_self_training/abdomen_warps.py CT.nii.gz --num_iterations 10

The first call compares random features with MIND-SSC by the constants of abdomen.json, the second those of the weights
with it by the constants of the weights, pair by pair, so that a stopped call continues. The third takes the seconds of
the processor for a full-sized inference and training steps.
"""

import time
from collections.abc import Callable
from pathlib import Path

import torch
from monai.bundle import ConfigParser
from monai.data import MetaTensor

from common.fields.ddf import warp
from common.fields.jacobian import inner_folding_fraction
from common.methods.cyclical_self_training.features import MindFeatures
from common.methods.cyclical_self_training.inferer import RefinedInferer
from common.methods.cyclical_self_training.input import ToCtGridd
from common.methods.cyclical_self_training.network import ConvexRegistration
from common.methods.cyclical_self_training.student import ImageStudentLoss
from common.methods.mine_voxelmorph.known_warp import known_size, known_warp
from common.tools.command_line import run_command
from common.tools.results.record import ScoredRow, means
from common.tools.results.tables import markdown_table
from common.transforms.load import LoadVolumed
from common.weights import read_weights

BUNDLE = Path(__file__).parents[3] / "bundles" / "cyclical_self_training"
NO_FIELD = "before"
BODY = -0.3  # of a scaled CT: −150 HU


def abdomen_warps(
    ct: str,
    seg: str = "",
    trained: bool = False,
    seeds: int | tuple = (0, 1),
    warp_mm: float = 10.0,
    spacing_mm: float = 3.0,
    spatial_shape: tuple = (128, 104, 112),
    num_iterations: int = 0,
    results: str = "",
    **settings,
) -> str:
    """Scores of every row, or with ``num_iterations`` the seconds of the paper's size.

    Args:
        ct: CT in HU.
        seg: its label map; not needed for seconds.
        trained: score the features of the bundle's weights, by their own constants.
        seeds: of the warps, one pair each.
        warp_mm: mean length of the displacement in the body.
        spacing_mm: of the grid on which pairs are made, registered and scored.
        spatial_shape: of that grid, multiples of 8.
        num_iterations: training steps of two pairs that are timed, at 192 × 160 × 256; 0 scores instead.
        results: JSON; empty for docs/results/abdomen_warps.json of the bundle.
        **settings: other scalars of inference.json, such as --num_adam_iterations 0.
    """
    parser = _parser(trained, settings)
    if num_iterations:
        return _seconds(parser, _read(ct, "", 2.0, parser.get_parsed_content("spatial_shape"))["image"], num_iterations)
    item = _read(ct, seg, spacing_mm, spatial_shape)
    inferer = parser.get_parsed_content("inferer")
    lines, path = [], Path(results or BUNDLE / "docs" / "results" / "abdomen_warps.json")
    size = {"warp_mm": warp_mm, "spacing_mm": spacing_mm, "spatial_shape": list(spatial_shape)}
    for name, network in _networks(parser, trained).items():
        row = ScoredRow(path, name, size | settings)
        for seed in seeds if isinstance(seeds, tuple | list) else [seeds]:
            if not row.has(f"warp {seed}"):
                pair = _pair(item, seed, warp_mm, spacing_mm)
                row.add(f"warp {seed}", _scores(pair, inferer, network))
                print(name, row.rows[-1], flush=True)
        mean = means(row.rows)
        lines.append([name, f"{mean['dice']:.3f}", f"{100 * mean['folding_fraction']:.3f}", f"{mean['seconds']:.1f}"])
    return markdown_table([f"{len(row.rows)} warps", "Dice", "folds (%)", "processor seconds"], lines)


def _parser(trained: bool, settings: dict) -> ConfigParser:
    parser = ConfigParser()
    files = ["inference.json"] if trained else ["inference.json", "abdomen.json"]
    parser.read_config([str(BUNDLE / "configs" / name) for name in files])
    parser.update({"bundle_root": str(BUNDLE), "ckpt_path": str(BUNDLE / "models" / "model.pt")} | settings)
    return parser


def _read(ct: str, seg: str, spacing_mm: float, spatial_shape: tuple) -> dict[str, MetaTensor]:
    files = {"image": ct} | ({"label": seg} if seg else {})
    return ToCtGridd("image", spatial_shape, spacing_mm)(LoadVolumed(list(files))(files))


def _networks(parser: ConfigParser, trained: bool) -> dict[str, torch.nn.Module | None]:
    """Row → what registers; nothing before registration."""
    torch.manual_seed(parser.get_parsed_content("seed"))
    network = parser.get_parsed_content("network_def").eval()
    if trained:
        network.load_state_dict(read_weights(parser.get_parsed_content("ckpt_path")))
    features = MindFeatures(network.stride, network.fine_stride)
    mind = ConvexRegistration(features, network.radius, zero_border=network.zero_border).eval()
    own, mind_name = ("weights", "MIND-SSC as the weights") if trained else ("random features", "MIND-SSC")
    return {NO_FIELD: None, own: network, mind_name: mind}


def _pair(item: dict[str, MetaTensor], seed: int, warp_mm: float, spacing_mm: float) -> dict[str, torch.Tensor]:
    """The CT and its labels as they are, fixed, and moved by the inverse of a known warp."""
    image, label = (torch.as_tensor(item[key]).float()[None] for key in ("image", "label"))
    generator = torch.Generator().manual_seed(seed)
    _, inverse = known_warp(image[0, 0] > BODY, spacing_mm, known_size(warp_mm), generator)
    return {
        "image": torch.cat([image, warp(image, inverse)], dim=1),
        "fixed_label": label,
        "moving_label": warp(label, inverse, "nearest"),
    }


def _scores(pair: dict[str, torch.Tensor], inferer: RefinedInferer, network: torch.nn.Module | None) -> dict:
    started = time.process_time()
    with torch.no_grad():
        ddf = torch.zeros(1, 3, *pair["image"].shape[2:]) if network is None else inferer(pair["image"], network)
    seconds = time.process_time() - started
    dice = mean_dice(warp(pair["moving_label"], ddf, "nearest"), pair["fixed_label"])
    return {"dice": dice, "folding_fraction": inner_folding_fraction(ddf).item(), "seconds": seconds}


def mean_dice(label: torch.Tensor, fixed_label: torch.Tensor) -> float:
    """Mean Dice over the structures of the fixed label map.

    Example:
        >>> mean_dice(torch.tensor([0, 1, 1, 2]), torch.tensor([1, 1, 1, 2]))
        0.9
    """
    first, second = label.flatten().long(), fixed_label.flatten().long()
    size = int(max(first.max(), second.max())) + 1
    both, counts = torch.bincount(first[first == second], minlength=size), torch.bincount(first, minlength=size)
    fixed_counts = torch.bincount(second, minlength=size)
    known = fixed_counts[1:] > 0
    return (2 * both / (counts + fixed_counts))[1:][known].mean().item()


def _seconds(parser: ConfigParser, image: torch.Tensor, num_iterations: int) -> str:
    """Processor seconds of one inference and of training steps of two pairs, of a scan with itself."""
    network, inferer = parser.get_parsed_content("network_def"), parser.get_parsed_content("inferer")
    pair = torch.as_tensor(image).float().expand(2, -1, -1, -1)[None].contiguous()
    with torch.no_grad():
        inference = _timed(lambda: inferer(pair, network.eval()))
    nodes = [size // 2 for size in pair.shape[2:]]
    batch = {"image": pair.expand(2, -1, -1, -1, -1), "label": torch.zeros(2, 3, *nodes)}
    optimizer, loss = torch.optim.Adam(network.train().parameters()), ImageStudentLoss(amp=True)

    def step() -> None:
        optimizer.zero_grad()
        loss(network, batch).backward()
        optimizer.step()

    steps = [_timed(step) for _ in range(num_iterations)]
    return f"inference {inference:.0f} s; {num_iterations} training steps, mean {sum(steps) / len(steps):.0f} s"


def _timed(call: Callable) -> float:
    started = time.process_time()
    call()
    return time.process_time() - started


if __name__ == "__main__":
    run_command(abdomen_warps)
