"""Analytic fields that the tests of this folder share."""

import pytest
import torch


@pytest.fixture
def smooth_ddf():
    """A function that makes a random smooth ddf (1, D, *shape), float64, at most ``amplitude`` voxels large."""

    def make(shape, amplitude, generator):
        ddf = torch.randn(1, len(shape), *[3] * len(shape), generator=generator, dtype=torch.float64)
        for axis, size in enumerate(shape):
            phase = torch.pi * (torch.arange(size, dtype=torch.float64) + 0.5) / size
            cosines = torch.cos(torch.arange(3.0)[:, None] * phase)
            ddf = torch.tensordot(ddf, cosines, dims=([axis + 2], [0])).movedim(-1, axis + 2)
        return amplitude * ddf / ddf.abs().max()

    return make


@pytest.fixture
def linear_ddf():
    """A function that makes the ddf (1, D, *shape) of x ↦ c + matrix (x − c), c the grid's center, float64."""

    def make(shape, matrix):
        axes = [torch.arange(size, dtype=torch.float64) - (size - 1) / 2 for size in shape]
        centered = torch.stack(torch.meshgrid(*axes, indexing="ij"))
        matrix = torch.as_tensor(matrix, dtype=torch.float64)
        return torch.einsum("ij,j...->i...", matrix - torch.eye(len(shape)), centered)[None]

    return make
