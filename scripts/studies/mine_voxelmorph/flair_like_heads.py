"""Heads with T1, a FLAIR-like contrast and FreeSurfer's labels, made of one labeled T1, to score across contrasts.

    python scripts/studies/mine_voxelmorph/flair_like_heads.py data/BrainT1Labels --output_dir data/FlairLike
    python scripts/studies/mine_voxelmorph/flair_like_heads.py data/BrainT1Labels --output_dir data/FlairLikeOne \
        --num_heads 1 --warp_mm 0

T1 is the scan itself, FLAIR is made of its labels alone: what a head is of the other's contrast, no intensity tells.
All heads are val: nothing here is to be trained on.
"""

from pathlib import Path

import nibabel as nib
import numpy as np
import torch
from monai.networks.layers import GaussianFilter

from common.data.layouts.oasis import labeled_scan
from common.data.sample.contrast import render_contrast
from common.data.volume import input_image, input_label
from common.fields.ddf import warp
from common.files import new_folder, write_json
from common.methods.mine_voxelmorph.known_warp import known_size, known_warp
from common.randomness import sample_generator
from common.tools.command_line import run_command

FLUID = (4, 5, 14, 15, 24, 43, 44, 72)  # ventricles and cerebrospinal fluid, FreeSurferColorLUT.txt
WHITE = (2, 7, 16, 28, 41, 46, 60, 85, 251, 252, 253, 254, 255)
PARTIAL_VOLUME_SIGMA = 0.7  # voxels


def flair_like(label: torch.Tensor, head: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """FLAIR of the tissues that a label map names: fluid dark, gray matter brighter than white.

    Args:
        label: (1, X, Y, Z), numbers of FreeSurfer.
        head: (1, X, Y, Z), bool; what lies in it without a label is fluid.
        generator: of bias field, noise and spread of the means.

    Returns:
        (1, X, Y, Z), 0 to 255.
    """
    fluid, white = (torch.isin(label, torch.tensor(numbers, dtype=label.dtype)) for numbers in (FLUID, WHITE))
    fluid |= head & (label == 0)
    tissues = torch.cat([fluid, (label > 0) & ~fluid & ~white, white]).float()
    return render_contrast(GaussianFilter(3, PARTIAL_VOLUME_SIGMA)(tissues[None])[0], "FLAIR", generator)


def write_heads(dataset_dir: str, output_dir: str, num_heads: int = 5, warp_mm: float = 4.0, seed: int = 0) -> str:
    """Write the heads in the multi-contrast layout.

    Args:
        dataset_dir: folder of one labeled scan, vol.nii.gz and seg.nii.gz of cubic voxels of 1 mm.
        output_dir: a folder that does not exist yet.
        num_heads: how many.
        warp_mm: mean length of the smooth diffeomorphism that makes another head of the scan; 0 for none.
        seed: of warps and artifacts.

    Returns:
        What was written.
    """
    scan = labeled_scan(dataset_dir)
    image, label = (read(scan[key]).as_tensor() for read, key in ((input_image, "T1"), (input_label, "label")))
    affine = nib.load(scan["T1"]).affine
    names = [f"head{number}" for number in range(num_heads)]
    with new_folder(output_dir) as folder:
        for number, name in enumerate(names):
            generator = sample_generator(seed, 0, number)
            volumes = {"T1": image, "label": label}
            if warp_mm:
                _, inverse = known_warp(image[0] > 0, 1.0, known_size(warp_mm), generator)
                volumes["T1"] = warp(image[None], inverse, padding_mode="zeros")[0]
                volumes["label"] = warp(label[None].float(), inverse, "nearest", "zeros")[0].long()
            volumes["FLAIR"] = flair_like(volumes["label"], volumes["T1"] > 0, generator)
            _write(folder / name, volumes, affine)
        files = [{key: f"{name}/{key}.nii.gz" for key in ("T1", "FLAIR", "label")} for name in names]
        entries = [{"subject": name, **entry} for name, entry in zip(names, files, strict=True)]
        write_json(folder / "dataset.json", {"subjects": entries})
        write_json(folder / "splits.json", {"fit": [], "tune": [], "val": names})
    return f"{output_dir}: {num_heads} heads with T1, FLAIR and label"


def _write(folder: Path, volumes: dict[str, torch.Tensor], affine: np.ndarray) -> None:
    folder.mkdir()
    for key, volume in volumes.items():
        values = volume[0].numpy().astype(np.int16 if key == "label" else np.float32)
        nib.save(nib.Nifti1Image(values, affine), folder / f"{key}.nii.gz")


if __name__ == "__main__":
    run_command(write_heads)
