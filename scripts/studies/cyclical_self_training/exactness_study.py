"""What each exactness correction of the self-training is worth: endpoint errors on smooth random fields."""

import statistics

import torch

from common.fields.ddf import compose
from common.fields.lattice import lattice_positions, refine_lattice, sample_lattice
from common.methods.cyclical_self_training.augmentation import (
    affine_label,
    apply_affine,
    random_affine_pair,
    released_label,
    voxel_affine,
)
from common.methods.cyclical_self_training.smoothing import box_smooth
from common.tools.command_line import run_command
from common.tools.results.tables import markdown_table


def study(
    shape: tuple[int, ...] = (96, 80, 96), stride: int = 8, mean_length: float = 8.0, num_fields: int = 3, seed: int = 0
) -> None:
    """Print the mean distance, in voxels, between what the released code computes and the exact result.

    Args:
        shape: voxels; fields are smooth noise on a lattice of this stride, refined.
        stride: of the feature cells.
        mean_length: of the displacements, voxels.
        num_fields: random fields whose errors are averaged.
        seed: of fields and affine maps.
    """
    generator = torch.Generator().manual_seed(seed)
    rows: dict[str, list[float]] = {}
    for _ in range(num_fields):
        cells = [random_field([size // stride for size in shape], mean_length, generator) for _ in range(2)]
        fields = [refine_lattice(field, stride, 0.0, list(shape)) for field in cells]
        for name, value in _errors(cells[0], fields, list(shape), stride, generator).items():
            rows.setdefault(name, []).append(value)
    titles = ["released code in place of the exact form", f"mean error, voxels, of {mean_length:g}"]
    print(markdown_table(titles, [[name, f"{statistics.fmean(values):.3f}"] for name, values in rows.items()]))


def random_field(shape: list[int], mean_length: float, generator: torch.Generator) -> torch.Tensor:
    """Smooth noise, (1, 3, *shape), of a given mean length."""
    field = box_smooth(torch.randn(1, 3, *shape, generator=generator), 4)
    return field * mean_length / field.norm(dim=1).mean()


def endpoint_error(field: torch.Tensor, exact: torch.Tensor, margin: int = 8) -> float:
    """Mean distance of two fields (1, 3, *spatial) away from the border."""
    inner = (field - exact)[..., margin:-margin, margin:-margin, margin:-margin]
    return inner.norm(dim=1).mean().item()


def _errors(
    cells: torch.Tensor, fields: list[torch.Tensor], shape: list[int], stride: int, generator: torch.Generator
) -> dict[str, float]:
    first, second = fields
    sizes = torch.tensor(cells.shape[2:]).view(1, 3, 1, 1, 1)
    shifted = refine_lattice(cells, stride, (stride - 1) / 2, shape)
    maps = [voxel_affine(affine, shape) for affine in random_affine_pair(generator)]
    exact = affine_label(first[0], *maps)[None]
    positions = lattice_positions(shape, 1.0, 0.0)
    at_fixed = sample_lattice(first, 1.0, 0.0, apply_affine(maps[0], positions)[None])
    relative = apply_affine(torch.linalg.inv(maps[1]) @ maps[0], positions) - positions
    return {
        "displacements scaled by n / (n − 1)": endpoint_error(first * sizes / (sizes - 1), first),
        "cells taken to lie (stride − 1) / 2 voxels off": endpoint_error(shifted, first),
        "two warps composed as u₀(x) + u₁(x + u₀(x))": endpoint_error(compose(second, first), compose(first, second)),
        "label of an augmented pair": endpoint_error(released_label(first[0], *maps)[None], exact),
        "label, u(A₁x) not turned by A₂⁻¹": endpoint_error(at_fixed + relative, exact),
        "labels in half precision": endpoint_error(first.half().float(), first),
    }


if __name__ == "__main__":
    run_command(study)
