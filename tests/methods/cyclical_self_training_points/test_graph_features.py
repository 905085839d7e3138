import torch
from torch import nn

from common.methods.cyclical_self_training_points.graph_features import (
    EdgeConvolution,
    GraphFeatures,
    nearest_neighbors,
)


def points(count=60, seed=0):
    return torch.rand(count, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def plain_edge_convolution(edges, features, neighbors):
    """Three 1 × 1 convolutions, each with instance normalization and leaky ReLU, on all edges; then the maximum."""
    center = features.T.unsqueeze(2).expand(-1, -1, neighbors.shape[1])
    values = torch.cat([features.T[:, neighbors] - center, center]).unsqueeze(0)
    for layer in (edges.layer1, edges.layer2, edges.layer3):
        values = nn.functional.conv2d(values, layer.weight[:, :, None, None])
        values = nn.functional.leaky_relu(nn.functional.instance_norm(values))
    return values[0].amax(2).T


def test_edge_convolution_equals_convolutions_on_all_edges():
    edges, cloud = EdgeConvolution(3, 32).double(), points()
    neighbors = nearest_neighbors(cloud, cloud, 10)
    assert torch.allclose(edges(cloud, neighbors), plain_edge_convolution(edges, cloud, neighbors), atol=1e-9)


def test_number_of_parameters_is_that_of_the_paper():
    assert sum(parameter.numel() for parameter in GraphFeatures().parameters()) == 26880


def test_permuted_points_permute_the_features():
    network, cloud = GraphFeatures().double(), points()
    order = torch.randperm(len(cloud), generator=torch.Generator().manual_seed(1))
    assert torch.allclose(network(cloud, 10)[order], network(cloud[order], 10), atol=1e-9)


def test_neighbors_are_the_nearest_and_begin_with_the_point_itself():
    cloud = points(20)
    found = nearest_neighbors(cloud, cloud, 3)
    distances = (cloud[:, None] - cloud).norm(dim=2)
    assert found[:, 0].tolist() == list(range(20))
    assert found.tolist() == distances.argsort(1)[:, :3].tolist()


def test_fewer_points_than_neighbors_give_all():
    assert nearest_neighbors(points(4), points(4), 9).shape == (4, 4)


def test_gradients_agree_with_differences():
    network, cloud = GraphFeatures(2).double(), points(8).requires_grad_()
    neighbors = nearest_neighbors(cloud.detach(), cloud.detach(), 3)
    assert torch.autograd.gradcheck(lambda x: network.edge1(x, neighbors)[:, :2], cloud)
