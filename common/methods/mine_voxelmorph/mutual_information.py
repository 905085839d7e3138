"""Mutual information of two images as the value of a network that is trained along: MINE."""

import math
from collections.abc import Sequence

import torch
from torch import nn

SHUFFLES = ("global", "local")


def donsker_varadhan(joint: torch.Tensor, product: torch.Tensor) -> torch.Tensor:
    """Lower bound of the mutual information, E_P[F] − log E_Q[exp F].

    It is the mutual information where F is the logarithm of p(a, b) / (p(a) p(b)), up to a constant, and less for any
    other F. The logarithm of the mean is a log-sum-exp, so large values of F do not overflow.

    Args:
        joint: F on samples of the joint distribution P, (B, n).
        product: F on samples of the product of the marginals Q, (B, m).

    Returns:
        (B,), nats.

    Example:
        >>> donsker_varadhan(torch.full((1, 4), 1000.0), torch.full((1, 4), 999.0)).item()
        1.0

    Reference:
        Snaauw et al., EMBC 2022, equation 2; Donsker & Varadhan 1983.
    """
    return joint.mean(dim=1) - (product.logsumexp(dim=1) - math.log(product.shape[1]))


def shuffled_voxels(
    spatial_shape: Sequence[int], shuffle: str, radius: int, generator: torch.Generator | None = None
) -> torch.Tensor:
    """Addresses of the voxels that stand for "not aligned": φ_s of the paper.

    ``global`` is a random permutation of the grid, φ_s(ω) ~ U(Ω). ``local`` draws each address uniformly from the cube
    around its own, φ_s(ω) ~ U([ω − N, ω + N]), and moves addresses beyond the border onto it.

    Args:
        spatial_shape: voxels per axis.
        shuffle: global or local.
        radius: N, voxels per axis, of ``local``; the paper uses 8.
        generator: source of randomness, on the device of the result.

    Returns:
        (voxels,), int64: indices into the flattened grid, on the device of the generator.

    Raises:
        ValueError: for another shuffle or a negative radius.

    Example:
        >>> sorted(shuffled_voxels((2, 2), "global", 0).tolist())
        [0, 1, 2, 3]
        >>> shuffled_voxels((2, 3), "local", 0).tolist()
        [0, 1, 2, 3, 4, 5]
    """
    if shuffle not in SHUFFLES or radius < 0:
        raise ValueError(f"expected a shuffle of {', '.join(SHUFFLES)} and a radius ≥ 0, got {shuffle!r} and {radius}")
    options = {"generator": generator, "device": generator.device if generator is not None else None}
    if shuffle == "global":
        return torch.randperm(math.prod(spatial_shape), **options)
    address = torch.zeros((), dtype=torch.int64, device=options["device"])
    for axis, size in enumerate(spatial_shape):
        own = torch.arange(size, device=options["device"]).view(
            [-1 if k == axis else 1 for k in range(len(spatial_shape))]
        )
        drawn = own + torch.randint(-radius, radius + 1, tuple(spatial_shape), **options)
        address = address * size + drawn.clamp_(0, size - 1)
    return address.flatten()


class NeuralMutualInformation(nn.Module):
    """Minus the neural estimate of the mutual information, mean over the batch: the image term of equation 3.

    −I = −(E_P[F_θ(f, m)] − log E_Q[exp F_θ(f, m ∘ φ_s)]), with the warped moving image m, fixed image f and a new φ_s
    at each call. Minimizing it over θ tightens the bound, minimizing it over m aligns the images.

    Args:
        statistics_network: F_θ, called with two images (B, 1, *spatial); returns (B, voxels).
        shuffle: global or local, see :func:`shuffled_voxels`.
        radius: N of ``local``, voxels.
    """

    def __init__(self, statistics_network: nn.Module, shuffle: str = "local", radius: int = 8) -> None:
        super().__init__()
        shuffled_voxels((1,), shuffle, radius)
        self.statistics_network, self.shuffle, self.radius = statistics_network, shuffle, radius

    def forward(
        self, warped: torch.Tensor, fixed: torch.Tensor, generators: Sequence[torch.Generator] | None = None
    ) -> torch.Tensor:
        """−I of images (B, 1, *spatial): a scalar in nats. One generator per sample draws its φ_s.

        Raises:
            ValueError: where the images have different shapes or more than one channel.
        """
        if warped.shape != fixed.shape or warped.shape[1] != 1:
            raise ValueError(
                f"expected two images (B, 1, *spatial), got {tuple(warped.shape)} and {tuple(fixed.shape)}"
            )
        generators = generators or [torch.Generator(fixed.device).manual_seed(int(torch.randint(2**31, ())))] * len(
            fixed
        )
        voxels = warped.flatten(1)
        addresses = [shuffled_voxels(fixed.shape[2:], self.shuffle, self.radius, g) for g in generators]
        moved = torch.stack(
            [x.index_select(0, address.to(x.device)) for x, address in zip(voxels, addresses, strict=True)]
        )
        joint, product = self.statistics_network(fixed, warped), self.statistics_network(fixed, moved)
        return -donsker_varadhan(joint, product).mean()
