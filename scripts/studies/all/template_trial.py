"""A template of hippocampi, ours and that of ANTs, beside the plain mean of the same images.

    python scripts/studies/all/template_trial.py data/Task04_Hippocampus

The images are the first of the tune part on one grid, their centers laid on each other, intensities in [0, 1]. All
three templates are measured alike; labels only score.
"""

import json
import tempfile
import time
from collections.abc import Mapping
from itertools import combinations
from pathlib import Path

import torch

from common.data.volume import read_volume
from common.quantiles import robust_range
from common.registration.greedy import refinement_of
from common.registration.labels import label_dice
from common.registration.registrar import Registrar
from common.registration.template import build_template, sharpness
from common.tools.command_line import run_command
from common.world.chain import Chain, FieldMap, LinearMap
from common.world.files import load_field, save_image
from common.world.grid import Grid

GRID = Grid((64, 64, 64), torch.eye(4))


def template_trial(dataset_dir: str, num_images: int = 12, rounds: int = 3, effort: str = "normal") -> None:
    """Print one line per template: sharpness, mean Dice of all pairs of labels brought to it, processor seconds.

    Args:
        dataset_dir: folder in the Decathlon layout with splits.json.
        num_images: from the tune part.
        rounds: of each template; ANTs' iterations.
        effort: of our registrations.
    """
    torch.set_num_threads(1)
    folder = Path(dataset_dir)
    names = json.loads((folder / "splits.json").read_text(encoding="utf-8"))["tune"][:num_images]
    with tempfile.TemporaryDirectory() as place:
        images, labels = write_images(folder, names, Path(place))
        for title, build in (("plain mean", plain), ("registration template", ours), ("ANTs build_template", ants)):
            started = time.process_time()
            template, warped = build(images, labels, Path(place), rounds, effort)
            dice = [label_dice(first, second)["dice"] for first, second in combinations(warped.values(), 2)]
            scores = f"sharpness {sharpness(template, GRID):.4f}, Dice {sum(dice) / len(dice):.3f}"
            print(f"{title}: {scores}, {time.process_time() - started:.0f} s", flush=True)


def write_images(folder: Path, names: list[str], place: Path) -> tuple[dict[str, Path], dict[str, Path]]:
    """Images and label maps on one grid, by name."""
    images, labels = {}, {}
    for name in names:
        image, label = (read_volume(folder / kind / f"{name}.nii.gz") for kind in ("imagesTr", "labelsTr"))
        to_own = torch.eye(4, dtype=torch.float64)
        to_own[:3, 3] = Grid.from_image(image).center - GRID.center
        centered = Chain((LinearMap(to_own),))
        own = Grid.from_image(image)
        low, high = robust_range(image.as_tensor(), (0.01, 0.99))
        unit = centered.resample(image.as_tensor(), own, GRID).sub(low).div(high - low).clamp(0, 1)
        images[name], labels[name] = place / "images" / f"{name}.nii.gz", place / "labels" / f"{name}.nii.gz"
        save_image(images[name], unit, GRID)
        save_image(labels[name], centered.resample(label.as_tensor(), own, GRID, "label"), GRID, "uint8")
    return images, labels


def plain(images: Mapping[str, Path], labels: Mapping[str, Path], place: Path, rounds: int, effort: str):
    """The mean as the images lie."""
    mean = torch.stack([read_volume(path).as_tensor() for path in images.values()]).mean(dim=0)
    return mean, {name: read_volume(path).as_tensor() for name, path in labels.items()}


def ours(images: Mapping[str, Path], labels: Mapping[str, Path], place: Path, rounds: int, effort: str):
    """The template of the command ``registration template``."""
    registrar = Registrar(affine=True, refinement=refinement_of(effort, "lncc"))
    build_template(images, registrar, place / "ours", rounds)
    warped = {}
    for name, path in labels.items():
        chain = Chain((FieldMap(*load_field(place / "ours" / f"{name}_field.nii.gz")),))
        warped[name] = chain.resample(read_volume(path).as_tensor(), GRID, GRID, "label")
    return read_volume(place / "ours" / "template.nii.gz").as_tensor(), warped


def ants(images: Mapping[str, Path], labels: Mapping[str, Path], place: Path, rounds: int, effort: str):
    """ANTs' template with its default registrations, labels brought to it by one more."""
    import ants as tool

    volumes = {name: tool.image_read(str(path)) for name, path in images.items()}
    template = tool.build_template(image_list=list(volumes.values()), iterations=rounds, type_of_transform="SyN")
    warped = {}
    for name, path in labels.items():
        found = tool.registration(template, volumes[name], "SyN")
        moved = tool.apply_transforms(
            template, tool.image_read(str(path)), found["fwdtransforms"], interpolator="genericLabel"
        )
        warped[name] = torch.from_numpy(moved.numpy())[None]
    array = torch.from_numpy(template.numpy())[None]
    low, high = robust_range(array, (0.01, 0.99))
    return array.sub(low).div(high - low).clamp(0, 1), warped


if __name__ == "__main__":
    run_command(template_trial)
