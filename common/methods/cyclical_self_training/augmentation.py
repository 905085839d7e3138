"""Affine augmentation of a pair with the exact label: each image gets its own map, the field is changed to match."""

import torch
from scipy.linalg import expm, logm

from ...fields.lattice import lattice_positions, sample_lattice
from ...fields.sampling import sample

FORMULAS = ("exact", "released")
MODES = {"image": ("bilinear", "border"), "structures": ("nearest", "zeros")}  # interpolation, and what lies outside


def random_affine_pair(
    generator: torch.Generator | None = None, common_sd: float = 0.075, separate_sd: float = 0.05
) -> tuple[torch.Tensor, torch.Tensor]:
    """Maps A₁ = I + 0.075 N₁ of the fixed and A₂ = (I + 0.05 N₂) A₁ of the moving image, N standard normal.

    Args:
        generator: of N₁ and N₂.
        common_sd: spread of what both images get.
        separate_sd: spread of what sets them apart.

    Returns:
        A₁ and A₂, (4, 4) float64, in coordinates from −1 to 1 over each axis.

    Example:
        >>> first, second = random_affine_pair(common_sd=0.0, separate_sd=0.0)
        >>> torch.equal(first, torch.eye(4, dtype=torch.float64)), torch.equal(first, second)
        (True, True)

    Reference:
        Bigalke et al., MICCAI 2023, section 3.1, "random affine transformations"; spreads of the authors' code.
    """
    noise = torch.randn(2, 4, 4, generator=generator, dtype=torch.float64)
    noise[:, 3] = 0.0  # the last row of an affine map is (0, 0, 0, 1); the code leaves noise in its last entry
    identity = torch.eye(4, dtype=torch.float64)
    first = identity + common_sd * noise[0]
    return first, (identity + separate_sd * noise[1]) @ first


def voxel_affine(affine: torch.Tensor, spatial_shape: list[int]) -> torch.Tensor:
    """The same map in voxels: N⁻¹ A N, where N takes the outer faces of the image to −1 and 1.

    Example:
        >>> voxel_affine(torch.eye(4, dtype=torch.float64), [8, 8, 8]).diag().tolist()
        [1.0, 1.0, 1.0, 1.0]
    """
    size = torch.tensor(spatial_shape, dtype=torch.float64)
    to_unit = torch.diag(torch.cat([2 / size, torch.ones(1, dtype=torch.float64)]))
    to_unit[:3, 3] = -(size - 1) / size
    return torch.linalg.inv(to_unit) @ affine @ to_unit


def apply_affine(matrix: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    """Map positions (3, *out) by a (4, 4) matrix."""
    matrix = matrix.to(positions)
    return torch.einsum("ij,j...->i...", matrix[:3, :3], positions) + matrix[:3, 3].view(3, 1, 1, 1)


def affine_label(label: torch.Tensor, first: torch.Tensor, second: torch.Tensor, stride: int = 1) -> torch.Tensor:
    """Field between fixed ∘ A₁ and moving ∘ A₂: u'(x) = A₂⁻¹ (A₁x + u(A₁x)) − x, with u between fixed and moving.

    fixed(A₁x) matches moving(A₁x + u(A₁x)) = (moving ∘ A₂)(A₂⁻¹ (A₁x + u(A₁x))).

    Args:
        label: u on every ``stride``-th voxel, (3, *nodes), voxels.
        first: A₁ in voxels.
        second: A₂ in voxels.
        stride: of the label.

    Returns:
        u' on the same nodes, (3, *nodes), voxels.

    Example:
        >>> shift = torch.eye(4)
        >>> shift[0, 3] = 2.0
        >>> affine_label(torch.zeros(3, 4, 4, 4), torch.eye(4), shift)[:, 0, 0, 0].tolist()
        [-2.0, 0.0, 0.0]
    """
    positions = lattice_positions(list(label.shape[1:]), stride, 0.0).to(label)
    mapped = apply_affine(first, positions)  # A₁x
    matched = mapped + sample_lattice(label[None], stride, 0.0, mapped[None])[0]  # A₁x + u(A₁x)
    return apply_affine(torch.linalg.inv(second), matched) - positions


def released_label(label: torch.Tensor, first: torch.Tensor, second: torch.Tensor, stride: int = 1) -> torch.Tensor:
    """What the authors' code takes for :func:`affine_label`: u(Bx) + Bx − x with B = exp(log A₁ − log A₂)."""
    mean = expm(logm(first.double().numpy()).real - logm(second.double().numpy()).real)
    positions = lattice_positions(list(label.shape[1:]), stride, 0.0).to(label)
    mapped = apply_affine(torch.as_tensor(mean), positions)
    return sample_lattice(label[None], stride, 0.0, mapped[None])[0] + mapped - positions


class AugmentLabeledPair:
    """What the student sees of a pair: both images under random affine maps, and the label that then holds.

    Args:
        enabled: whether to; False hands the pair on as it is.
        common_sd: see :func:`random_affine_pair`.
        separate_sd: see :func:`random_affine_pair`.
        label_stride: voxels between the nodes of a label.
        formula: "exact", :func:`affine_label`, or "released", :func:`released_label`.

    Raises:
        ValueError: for an unknown formula.

    Example:
        >>> augment = AugmentLabeledPair(label_stride=2)
        >>> sample = augment({"image": torch.rand(2, 8, 8, 8)}, torch.zeros(3, 4, 4, 4), torch.Generator())
        >>> list(sample["image"].shape), list(sample["label"].shape)
        ([2, 8, 8, 8], [3, 4, 4, 4])
    """

    def __init__(
        self,
        enabled: bool = True,
        common_sd: float = 0.075,
        separate_sd: float = 0.05,
        label_stride: int = 2,
        formula: str = "exact",
    ) -> None:
        if formula not in FORMULAS:
            raise ValueError(f"expected a formula of {', '.join(FORMULAS)}, got {formula!r}")
        self.enabled, self.common_sd, self.separate_sd = enabled, common_sd, separate_sd
        self.label_stride, self.formula = label_stride, formula

    def __call__(self, item: dict, label: torch.Tensor, generator: torch.Generator) -> dict[str, torch.Tensor]:
        """What the student sees.

        Args:
            item: ``image`` (2, *spatial), fixed first, and, for the supervised baseline, ``structures`` of that shape,
                which are moved with their images by nearest neighbors.
            label: (3, *nodes), voxels.
            generator: of the two maps.

        Returns:
            The same keys and ``label``.
        """
        volumes = {key: torch.as_tensor(item[key]).float() for key in MODES if key in item}
        if not self.enabled:
            return {**volumes, "label": label}
        image = volumes["image"]
        shape = list(image.shape[1:])
        maps = random_affine_pair(generator, self.common_sd, self.separate_sd)
        first, second = (voxel_affine(affine, shape) for affine in maps)
        change = affine_label if self.formula == "exact" else released_label
        moved = {key: _moved(volume, (first, second), *MODES[key]) for key, volume in volumes.items()}
        return {**moved, "label": change(label, first, second, self.label_stride)}


def _moved(volumes: torch.Tensor, affines: tuple[torch.Tensor, torch.Tensor], mode: str, padding: str) -> torch.Tensor:
    """Both volumes (2, *spatial), each under its own affine map in voxels."""
    positions = lattice_positions(list(volumes.shape[1:]), 1.0, 0.0)
    moved = [
        sample(volume[None, None], apply_affine(affine, positions)[None], mode, padding)[0]
        for volume, affine in zip(volumes, affines, strict=True)
    ]
    return torch.cat(moved)
