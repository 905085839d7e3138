"""How far two classifiers disagree, the discrepancies that maximum classifier discrepancy can use."""

import torch
from torch import nn

from ...words import one_of
from .projected_emd import ProjectedEMDLoss

DISCREPANCIES = ("none", "l1", "swd", "pemd2", "pemd16", "pemd16_swd")


def l1_discrepancy(probabilities: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    """Mean over batch and classes of |p₁ − p₂| (Saito et al., CVPR 2018, eq. 9)."""
    return (probabilities - others).abs().mean()


def sliced_wasserstein_discrepancy(
    probabilities: torch.Tensor, others: torch.Tensor, directions: torch.Tensor
) -> torch.Tensor:
    """Sliced Wasserstein distance of two batches of outputs, mean (sort(p₁θ) − sort(p₂θ))².

    It compares the batches as sets and knows no order of the classes.

    Args:
        probabilities: (B, C).
        others: (B, C).
        directions: (C, K) unit columns θ.

    Returns:
        A scalar.

    Reference:
        Lee et al., "Sliced Wasserstein discrepancy for unsupervised domain adaptation", CVPR 2019, eq. 7.
    """
    first = (probabilities @ directions).sort(dim=0).values
    second = (others @ directions).sort(dim=0).values
    return (first - second).square().mean()


class SlicedWassersteinDiscrepancy(nn.Module):
    """:func:`sliced_wasserstein_discrepancy` along 128 directions drawn anew at each call.

    The directions of call n derive from (seed, n), and n lies in the state dict, so that a resumed run draws the same.
    """

    def __init__(self, num_projections: int = 128, seed: int = 0) -> None:
        super().__init__()
        self.num_projections = num_projections
        self.seed = seed
        self.register_buffer("num_calls", torch.zeros((), dtype=torch.int64))

    def directions(self, num_classes: int) -> torch.Tensor:
        """Unit columns (C, K) of the present call."""
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + int(self.num_calls))
        gaussian = torch.randn(num_classes, self.num_projections, generator=generator)
        return gaussian / gaussian.norm(dim=0)

    def forward(self, probabilities: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
        """Distance of two (B, C) batches, a scalar."""
        directions = self.directions(probabilities.shape[1]).to(probabilities)
        self.num_calls += 1
        return sliced_wasserstein_discrepancy(probabilities, others, directions)


class ClassifierDiscrepancy(nn.Module):
    """Discrepancy of two heads, chosen by one name.

    Args:
        name: `l1` (original MCD), `swd` (sliced Wasserstein over the batch), `pemd2` or `pemd16` (projected EMD), their
            sum `pemd16_swd`, or `none` (source only; calling it is an error).
        swd_weight: factor of the sliced Wasserstein term within `pemd16_swd`; the paper adds the two and names none.
        spatial_dims: of the displacement grid, 2 or 3.
        angle_range: see :class:`~.projected_emd.ProjectedEMDLoss`.
        seed: of the sliced Wasserstein directions.

    Raises:
        ValueError: if the name is unknown.
    """

    def __init__(
        self,
        name: str = "pemd16",
        swd_weight: float = 1.0,
        spatial_dims: int = 2,
        angle_range: float = 180.0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.name = one_of("discrepancy", name, DISCREPANCIES)
        self.terms = nn.ModuleList()
        self.weights: list[float] = []
        if name.startswith("pemd"):
            num_projections = 2 if name == "pemd2" else 16
            self._add(ProjectedEMDLoss(num_projections, spatial_dims=spatial_dims, angle_range=angle_range), 1.0)
        if name.endswith("swd"):
            self._add(SlicedWassersteinDiscrepancy(seed=seed), 1.0 if name == "swd" else swd_weight)

    def _add(self, term: nn.Module, weight: float) -> None:
        self.terms.append(term)
        self.weights.append(weight)

    def forward(self, probabilities: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
        """Discrepancy of two (B, C) batches of class probabilities, a scalar."""
        if self.name == "l1":
            return l1_discrepancy(probabilities, others)
        if not self.terms:
            raise ValueError("discrepancy 'none' trains on the source alone and has no value")
        values = [weight * term(probabilities, others) for weight, term in zip(self.weights, self.terms, strict=True)]
        return torch.stack(values).sum()
