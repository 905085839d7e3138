"""The task of mcd_pemd, 25 displacements of patches, by search with features beside MIND-SSC.

    python scripts/studies/any_contrast/patch_search.py --dataset_dir data/MultiContrastBrain --val_subjects ms26

Pairs, labels and score are those of the table of mcd_pemd. There descriptors know the patch alone, in its plane; here
those of the whole volume are read where the samples of the patches lie, so that they know what surrounds them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch.utils.data import DataLoader

from common.fields.sampling import sample
from common.losses.mind import mind_ssc
from common.methods.mcd_pemd.domains import DIRECTIONS, SPACING_MM, DirectionPairs, LoadContrastsd, contrast_subjects
from common.methods.mcd_pemd.search import mind_similarity, scores_of_displacements
from common.registration.prediction import Prediction
from common.tools.command_line import run_command
from common.tools.results.tables import markdown_table

CONTRASTS = ("T1", "T2")
MULTIMODAL = tuple(name for name in DIRECTIONS if name != "source_to_source")
HALF = 2.0  # voxels per node of features of half resolution


@dataclass
class DescribedVolumes:
    """Descriptors of volumes, in place of a :class:`~common.methods.mcd_pemd.patches.PatchSource`.

    Args:
        volumes: (1, X, Y, Z) each, which tell the shapes.
        describe: (1, 1, X, Y, Z) → (1, C, *nodes).
        stride: voxels per node.
    """

    volumes: list[torch.Tensor]
    describe: Callable[[torch.Tensor], torch.Tensor]
    stride: float = 1.0

    def __post_init__(self) -> None:
        self.described = [self.describe(volume[None]) for volume in self.volumes]

    def read(self, subject: int, coordinates: torch.Tensor) -> torch.Tensor:
        """Descriptors at voxel coordinates: (N, *39, 3) → (N, C, *39)."""
        points = coordinates.reshape(1, -1, 1, 1, 3).movedim(-1, 1) / self.stride
        values = sample(self.described[subject], points)[0, :, :, 0, 0]
        return values.mT.reshape(*coordinates.shape[:-1], -1).movedim(-1, 1)


@dataclass
class DescribedDomains:
    """The two contrasts, in place of :class:`~common.methods.mcd_pemd.domains.Domains`."""

    describe: Callable[[torch.Tensor], torch.Tensor]
    stride: float = 1.0

    def patch_sources(self, subjects: Sequence[Mapping]) -> dict[str, DescribedVolumes]:
        """Of source and target."""
        volumes = [[subject[contrast] for subject in subjects] for contrast in CONTRASTS]
        source, target = (DescribedVolumes(each, self.describe, self.stride) for each in volumes)
        return {"source": source, "target": target}


def accuracies(pairs: DirectionPairs, batch_size: int = 64) -> dict[str, float]:
    """Percent of the pairs of each direction whose displacement is found."""
    right = dict.fromkeys(DIRECTIONS, 0)
    for batch in DataLoader(pairs, batch_size):
        fixed, moving = batch["image"].unbind(dim=1)
        found = scores_of_displacements(fixed, moving, mind_similarity).argmax(dim=1) == batch["label"]
        for number, name in enumerate(DIRECTIONS):
            right[name] += found[batch["direction"] == number].sum().item()
    return {name: 100 * count / len(pairs.parts[0]) for name, count in right.items()}


def patch_search(
    dataset_dir: str,
    val_subjects: Sequence[str],
    bundle: str = "bundles/any_contrast",
    num_pairs: int = 2048,
    seed: int = 0,
) -> str:
    """A table: accuracy of each direction, and the mean of the three that the paper counts, T1→T1 left out.

    Args:
        dataset_dir: folder in the multi-contrast layout.
        val_subjects: heads that are searched.
        bundle: folder of the bundle of features.
        num_pairs: per direction.
        seed: of the pairs.
    """
    names = tuple(val_subjects.split(",") if isinstance(val_subjects, str) else val_subjects)
    listed = [item for item in contrast_subjects(dataset_dir, CONTRASTS) if item["subject"] in names]
    if len(listed) != len(names):
        raise ValueError(f"val_subjects: expected heads of {dataset_dir}, got {', '.join(names)}")
    subjects = list(map(LoadContrastsd(CONTRASTS, SPACING_MM), listed))
    features = Prediction(bundle).features
    rows = {
        "MIND-SSC of the volume": DescribedDomains(mind_ssc),
        "MIND-SSC of the volume, radius 3": DescribedDomains(lambda image: mind_ssc(image, 3)),
        "features, full resolution": DescribedDomains(lambda image: features(image)[0]),
        "features, half resolution": DescribedDomains(lambda image: features(image)[1], HALF),
    }
    lines = []
    with torch.no_grad():
        for title, domains in rows.items():
            found = accuracies(DirectionPairs(subjects, domains, num_pairs, seed))
            mean = sum(found[name] for name in MULTIMODAL) / len(MULTIMODAL)
            lines.append([title, f"{mean:.1f}", *(f"{found[name]:.1f}" for name in DIRECTIONS)])
    return markdown_table(["compared by", "mean of the three", *DIRECTIONS], lines)


if __name__ == "__main__":
    run_command(patch_search)
