"""How strongly each loss of wasserstein_voxelmorph pulls at the field, which tells how weights of the penalty compare.

python scripts/studies/wasserstein_voxelmorph/loss_scale.py data/Task04_Hippocampus
"""

import statistics
from pathlib import Path

import torch
from monai.bundle import ConfigParser

from common.fields.ddf import warp
from common.losses.similarity import dissimilarity
from common.tools.command_line import run_command
from common.tools.results.tables import markdown_table

CONFIG = Path(__file__).resolve().parents[3] / "bundles" / "wasserstein_voxelmorph" / "configs" / "train.json"
LOSSES = ("mse", "pswd", "swd", "radon")


def loss_scale(dataset_dir: str = "", num_pairs: int = 10, num_projections: int = 400, embedding: int = 50) -> None:
    """Print value and gradient of the losses at the zero field, medians over tune pairs, and their ratio to MSE's.

    Args:
        dataset_dir: folder in the Decathlon layout with splits.json; empty for the sample population.
        num_pairs: tune pairs.
        num_projections: see train.json.
        embedding: see train.json.
    """
    parser = ConfigParser(ConfigParser.load_config_file(CONFIG))
    parser.update({"dataset_dir": dataset_dir, "num_tune_pairs": num_pairs})
    images = [item["image"][None].as_tensor().float() for item in parser.get_parsed_content("validate#dataset")]
    scales = {name: _scale(name, images, num_projections, embedding) for name in LOSSES}
    mse = scales["mse"][1]
    lines = [[name, f"{value:.2g}", f"{norm:.2g}", f"{norm / mse:.3f}"] for name, (value, norm) in scales.items()]
    print(markdown_table(["loss", "value", "gradient", "gradient / that of MSE"], lines))


def _scale(name: str, images: list[torch.Tensor], num_projections: int, embedding: int) -> tuple[float, float]:
    """Median value, and median norm of the gradient with respect to the field in voxels."""
    loss = dissimilarity(name, num_projections=num_projections, embedding=embedding)
    values, norms = [], []
    for image in images:
        ddf = torch.zeros(1, 3, *image.shape[2:], requires_grad=True)
        value = loss(warp(image[:, 1:], ddf), image[:, :1])
        (gradient,) = torch.autograd.grad(value, ddf)
        values.append(value.item())
        norms.append(gradient.norm().item())
    return statistics.median(values), statistics.median(norms)


if __name__ == "__main__":
    run_command(loss_scale)
