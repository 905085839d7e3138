"""How strongly each discrepancy of mcd_pemd pulls at the features, which tells how its weights compare.

python scripts/studies/mcd_pemd/discrepancy_scale.py data/MultiContrastBrain --val_subjects ms26,lgg6692
"""

from pathlib import Path

import torch
from monai.bundle import ConfigParser

from common.methods.mcd_pemd.discrepancy import ClassifierDiscrepancy
from common.tools.command_line import run_command
from common.tools.results.tables import markdown_table

BUNDLE = Path(__file__).resolve().parents[3] / "bundles" / "mcd_pemd"
DISCREPANCIES = ("pemd16", "pemd2", "pemd16_swd", "l1", "swd")


def discrepancy_scale(
    dataset_dir: str = "",
    ckpt_path: str = str(BUNDLE / "models" / "model.pt"),
    val_subjects: str | tuple = (),
    num_test_heads: int = 2,
    num_batches: int = 8,
    batch_size: int = 64,
    temperature: float = 1.0,
    seed: int = 0,
) -> None:
    """Print D(p₁, p₂) on target pairs and its gradient, means over batches, and their ratio to p-EMD's.

    Args:
        dataset_dir: folder in the multi-contrast layout; empty for the sample population.
        ckpt_path: state dict of a DisplacementClassifier.
        val_subjects: subjects that the weights were not trained on, left out here as well; see train.json.
        num_test_heads: 1 for weights that were trained without adaptation, whose second head is as it was drawn.
        num_batches: of unlabeled target pairs, as step 3 sees them.
        batch_size: pairs in each.
        temperature: see train.json.
        seed: of the pairs and of the projections of SWD.
    """
    parser = ConfigParser(ConfigParser.load_config_file(BUNDLE / "configs" / "train.json"))
    held_out = [val_subjects] if isinstance(val_subjects, str) else list(val_subjects)
    parser.update({"dataset_dir": dataset_dir, "num_pairs": num_batches * batch_size, "seed": seed})
    parser.update({"val_subjects": held_out, "num_test_heads": num_test_heads})
    network = parser.get_parsed_content("network_def")
    network.load_state_dict(torch.load(ckpt_path, map_location="cpu", weights_only=True))
    pairs = parser.get_parsed_content("train#dataset")
    images = torch.stack([pair["target"]["image"] for pair in pairs.__getitems__(range(len(pairs)))])
    with torch.no_grad():
        features = [network.features(image) for image in images.split(batch_size)]
    scales = {name: _scale(name, network, features, temperature, seed) for name in DISCREPANCIES}
    own = scales["pemd16"][1]
    lines = [[name, f"{value:.2g}", f"{norm:.2g}", f"{norm / own:.4f}"] for name, (value, norm) in scales.items()]
    print(markdown_table(["discrepancy", "value", "gradient", "gradient / that of p-EMD (16)"], lines))


def _scale(
    name: str, network: torch.nn.Module, features: list[torch.Tensor], temperature: float, seed: int
) -> tuple[float, float]:
    """Mean value, and mean norm of the gradient with respect to a batch of features."""
    discrepancy = ClassifierDiscrepancy(name, seed=seed)
    values, norms = [], []
    for batch in features:
        batch = batch.clone().requires_grad_()
        heads = (network.head, network.second_head)
        value = discrepancy(*[(temperature * head(batch)).softmax(dim=1) for head in heads])
        (gradient,) = torch.autograd.grad(value, batch)
        values.append(value.item())
        norms.append(gradient.norm().item())
    return sum(values) / len(values), sum(norms) / len(norms)


if __name__ == "__main__":
    run_command(discrepancy_scale)
