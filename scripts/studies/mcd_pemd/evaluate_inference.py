"""Endpoint error of a displacement classifier on a head that a known smooth field has moved.

    python scripts/studies/mcd_pemd/evaluate_inference.py --dataset_dir DIR --subject ms26 --ckpt_path FILE

The fixed image is one contrast of the subject, the moving image another contrast of it, moved. Compared are the zero
field, a network with random weights and the trained one, and with ``--num_refinement_steps`` also what Adam on the two
images makes of the zero field and of the trained one's. Options of the inferer follow as they are.
"""

import math
from collections.abc import Mapping, Sequence

import torch
from monai.networks.layers import GaussianFilter
from torch.nn import functional

from common.data.splits import select_subjects
from common.fields.ddf import integrate, resize, warp
from common.fields.jacobian import inner_folding_fraction
from common.methods.mcd_pemd.classifier import DisplacementClassifier
from common.methods.mcd_pemd.domains import contrast_volumes
from common.methods.mcd_pemd.inferer import PatchDisplacementInferer
from common.methods.mine_voxelmorph.scores import endpoint_error_mm
from common.solvers.image_refinement import ImageRefinement
from common.tools.command_line import run_command
from common.tools.results.record import means
from common.tools.results.tables import markdown_table
from common.transforms.intensity import subtract_background

BORDER_VOXELS = 32  # added on every side along the axes that move, so that no content leaves the grid
STEP_VOXELS = 4  # grid on which the velocity is drawn and integrated
SIGMA_VOXELS = 32.0  # smoothness of the velocity
SHIFT_SHARE = 0.9  # of the velocity's length that is common to all voxels


def random_velocity(spatial_shape: Sequence[int], generator: torch.Generator, num_axes: int) -> torch.Tensor:
    """Gaussian noise smoothed by 32 voxels plus a common shift, root mean square length 1 voxel of the image.

    Returns:
        (1, 3, *low): on a grid of every fourth voxel, in voxels of that grid; 0 along the axes beyond ``num_axes``.
    """
    low = [math.ceil(size / STEP_VOXELS) for size in spatial_shape]
    sigma = SIGMA_VOXELS / STEP_VOXELS
    margin = math.ceil(2 * sigma)
    noise = torch.randn(1, num_axes, *[size + 2 * margin for size in low], generator=generator)
    smooth = GaussianFilter(3, sigma)(noise)[(slice(None), slice(None), *[slice(margin, -margin)] * 3)]
    shift = torch.randn(1, num_axes, 1, 1, 1, generator=generator)
    velocity = math.sqrt(1 - SHIFT_SHARE**2) * smooth / smooth.norm(dim=1).square().mean().sqrt()
    velocity = velocity + SHIFT_SHARE * shift / shift.norm()
    return functional.pad(velocity, (0, 0, 0, 0, 0, 0, 0, 3 - num_axes)) / STEP_VOXELS


def known_field(brain: torch.Tensor, seed: int, length_voxels: float, num_axes: int) -> tuple[torch.Tensor, ...]:
    """Ddf of a diffeomorphism exp(v) with a given mean length in a mask (1, 1, X, Y, Z), and that of exp(−v).

    Unlike :func:`common.methods.mine_voxelmorph.known_warp.known_warp` it mostly shifts, as far as the class offsets.
    """
    spatial_shape = list(brain.shape[2:])
    velocity = random_velocity(spatial_shape, torch.Generator().manual_seed(seed), num_axes)
    mask = functional.interpolate(brain.float(), velocity.shape[2:])[:, 0] > 0
    scale = length_voxels
    for _ in range(3):  # the length grows almost linearly with the velocity
        scale *= length_voxels / (STEP_VOXELS * integrate(scale * velocity).norm(dim=1)[mask].mean().item())
    forward, backward = (resize(integrate(sign * scale * velocity), spatial_shape) for sign in (1, -1))
    return forward, backward


def moved_pair(subject: Mapping, contrasts: Sequence[str], seed: int, length_mm: float, num_axes: int) -> dict:
    """Fixed image, moved moving image and the field that registers them.

    Returns:
        {"image": (1, 2, X, Y, Z), "ddf": (1, 3, X, Y, Z), "brain": (1, 1, X, Y, Z), "spacing": (3,) mm}.
    """
    border = (0, 0) * (3 - num_axes) + (BORDER_VOXELS,) * (2 * num_axes)
    volumes = [subtract_background(subject[contrast].as_tensor())[None] for contrast in contrasts]
    fixed, moving = (functional.pad(volume, border) for volume in volumes)
    spacing = subject[contrasts[0]].affine[:3, :3].norm(dim=0).float()
    brain = fixed != 0
    ddf, inverse = known_field(brain, seed, length_mm / spacing[:num_axes].mean().item(), num_axes)
    image = torch.cat([fixed, warp(moving, inverse, padding_mode="zeros")], dim=1)
    return {"image": image, "ddf": ddf, "brain": brain, "spacing": spacing}


def endpoint_error(ddf: torch.Tensor, pair: Mapping) -> dict[str, float]:
    """Distance in mm between where a field and the true one send the voxels of the brain, and its folds."""
    error_mm = endpoint_error_mm(ddf[0], pair["ddf"][0], pair["brain"][0], pair["spacing"].tolist())
    ranked = error_mm.sort().values
    return {
        "mean_mm": error_mm.mean().item(),
        "median_mm": ranked[len(ranked) // 2].item(),
        "p95_mm": ranked[int(0.95 * len(ranked))].item(),
        "folding_fraction": inner_folding_fraction(ddf).item(),
    }


def networks(ckpt_path: str, spatial_dims: int, num_test_heads: int, seed: int = 0) -> dict[str, torch.nn.Module]:
    """A network with random weights and the trained one."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        random, trained = (DisplacementClassifier(spatial_dims, num_test_heads).eval() for _ in range(2))
    trained.load_state_dict(torch.load(ckpt_path, map_location="cpu", weights_only=True))
    return {"random weights": random, "trained": trained}


def evaluate_inference(
    dataset_dir: str,
    subject: str,
    ckpt_path: str,
    seeds: int | tuple = (0, 1, 2),
    spatial_dims: int = 2,
    num_test_heads: int = 2,
    length_mm: float = 20.0,
    contrasts: tuple = ("T1", "T2"),
    num_refinement_steps: int = 0,
    **inferer_options,
) -> str:
    """Endpoint errors inside the brain, mean over seeded fields, as a Markdown table.

    Args:
        dataset_dir: folder in the multi-contrast layout.
        subject: which head; one that the network was not trained on.
        ckpt_path: state dict of a DisplacementClassifier.
        seeds: of the fields.
        spatial_dims: 2 for axial patches and fields, 3.
        num_test_heads: of the DisplacementClassifier; 1 for weights trained without adaptation.
        length_mm: mean length of the fields inside the brain.
        contrasts: of the fixed and of the moving image.
        num_refinement_steps: of Adam on MIND-SSC of the images, as inference.json has it, from the zero field and from
            that of the trained network.
        inferer_options: of :class:`common.methods.mcd_pemd.inferer.PatchDisplacementInferer`.
    """
    models = networks(ckpt_path, spatial_dims, num_test_heads)
    inferer = PatchDisplacementInferer(spatial_dims=spatial_dims, **inferer_options)
    refinement = ImageRefinement(num_refinement_steps, "mind", learning_rate=0.4, control_spacing=4)
    (head,) = select_subjects(contrast_volumes(dataset_dir, contrasts), [subject])
    runs: dict[str, list[dict]] = {}
    for seed in seeds if isinstance(seeds, list | tuple) else [seeds]:
        pair = moved_pair(head, contrasts, seed, length_mm, spatial_dims)
        fields = {"true field": pair["ddf"], "zero field": torch.zeros_like(pair["ddf"])}
        with torch.no_grad():
            fields |= {name: inferer(pair["image"], network) for name, network in models.items()}
        if num_refinement_steps:
            started = {f"{name}, refined": fields[name] for name in ("zero field", "trained")}
            fields |= {name: refinement(ddf, pair["image"]) for name, ddf in started.items()}
        for name, ddf in fields.items():
            runs.setdefault(name, []).append(endpoint_error(ddf, pair))
    lines = [[name, *(f"{mean:.3g}" for mean in means(rows).values())] for name, rows in runs.items()]
    return markdown_table(["field", *means(runs["true field"])], lines)


if __name__ == "__main__":
    run_command(evaluate_inference)
