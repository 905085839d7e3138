import pytest
import torch
import torch.nn.functional as F


@pytest.fixture
def rough():
    """Random features without symmetries, (1, 8, 10, 11, 12)."""
    return torch.randn(1, 8, 10, 11, 12, generator=torch.Generator().manual_seed(0))


def naive_correlation(fixed, moving, radius, squared=False):
    """The definition, one candidate at a time."""
    cells, padded = fixed.shape[2:], F.pad(moving, [radius] * 6)
    costs = []
    for i in range(-radius, radius + 1):
        for j in range(-radius, radius + 1):
            for k in range(-radius, radius + 1):
                start = [i + radius, j + radius, k + radius]
                part = padded[:, :, start[0] : start[0] + cells[0], start[1] : start[1] + cells[1]]
                part = part[..., start[2] : start[2] + cells[2]]
                difference = fixed - part
                costs.append((difference**2 if squared else difference.abs()).sum(1))
    return torch.stack(costs, 1)


def naive_coupled_convex(cost_volume, radius, couplings, sharpness):
    """The authors' formulas with an explicit mesh, cost of every candidate and MONAI-free pooling."""
    steps = torch.arange(-radius, radius + 1, dtype=cost_volume.dtype)
    mesh = torch.stack(torch.meshgrid(steps, steps, steps, indexing="ij")).reshape(3, -1)
    mesh = mesh.view(1, 3, -1, 1, 1, 1)

    def expectation(cost):
        return ((-sharpness * cost).softmax(1).unsqueeze(1) * mesh).sum(2)

    field = expectation(cost_volume)
    for coupling in couplings:
        distance = (mesh - field.unsqueeze(2)).square().sum(1)
        field = F.avg_pool3d(expectation(cost_volume + coupling * distance), 3, 1, 1)
    return field


@pytest.fixture
def naive():
    return naive_correlation, naive_coupled_convex
