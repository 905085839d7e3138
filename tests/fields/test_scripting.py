"""Every function of the field algebra scripts, and computes in float32 under autocast."""

import pytest
import torch
from torch.testing import assert_close

from common.fields.ddf import compose, integrate, invert, resize, warp
from common.fields.jacobian import inner_folding_fraction, jacobian_determinant, sdlogj
from common.fields.sampling import identity_grid, sample

UNARY = [integrate, invert, jacobian_determinant, inner_folding_fraction, sdlogj]
BINARY = [warp, compose]
SHAPES = [(8, 9), (6, 7, 8)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("function", UNARY)
def test_scripted_function_of_a_field_equals_eager(function, shape, smooth_ddf, generator):
    ddf = smooth_ddf(shape, 1.0, generator).float()
    assert torch.equal(torch.jit.script(function)(ddf), function(ddf))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("function", BINARY)
def test_scripted_function_of_two_fields_equals_eager(function, shape, smooth_ddf, generator):
    first, second = (smooth_ddf(shape, 1.0, generator).float() for _ in range(2))
    assert torch.equal(torch.jit.script(function)(first, second), function(first, second))


@pytest.mark.parametrize("shape", SHAPES)
def test_scripted_resize_equals_eager(shape, smooth_ddf, generator):
    ddf = smooth_ddf(shape, 1.0, generator).float()
    new_shape = [2 * size for size in shape]
    assert torch.equal(torch.jit.script(resize)(ddf, new_shape), resize(ddf, new_shape))


@pytest.mark.parametrize("padding_mode", ["border", "zeros"])
def test_scripted_grid_functions_equal_eager(padding_mode, generator):
    image, coordinates = torch.rand(1, 1, 1, 5, 6, generator=generator), torch.rand(1, 3, 4, 4, 4) * 5
    scripted = torch.jit.script(sample)(image, coordinates, "bilinear", padding_mode)
    assert torch.equal(scripted, sample(image, coordinates, "bilinear", padding_mode))
    assert torch.equal(torch.jit.script(identity_grid)([3, 4]), identity_grid([3, 4]))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("function", UNARY)
def test_autocast_does_not_change_a_function_of_a_field(function, dtype, smooth_ddf, generator):
    ddf = smooth_ddf((6, 7, 8), 1.0, generator).float()
    with torch.autocast("cpu", dtype=dtype):
        result = function(ddf)
    assert result.dtype == torch.float32
    assert torch.equal(result, function(ddf))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_voxel_150_3_stays_150_3_under_autocast_and_in_half_precision(dtype):
    coordinates = identity_grid([2, 512])[None]
    shift = torch.tensor([0.0, 0.3]).view(1, 2, 1, 1).expand(1, 2, 2, 512)
    with torch.autocast("cpu", dtype=dtype):
        moved = warp(coordinates, shift.to(dtype))
    assert moved[0, 1, 0, 150].item() == pytest.approx(150.3, abs=2e-3)


@pytest.mark.parametrize("function", [*UNARY, resize])
def test_half_precision_field_is_computed_in_float32(function, smooth_ddf, generator):
    ddf = smooth_ddf((6, 7, 8), 1.0, generator).half()
    arguments = ([9, 9, 9],) if function is resize else ()
    assert function(ddf, *arguments).dtype == torch.float32
    assert_close(function(ddf, *arguments), function(ddf.float(), *arguments))


@pytest.mark.gpu
@pytest.mark.parametrize("function", UNARY)
def test_cuda_autocast_does_not_change_a_function_of_a_field(function, smooth_ddf, generator):
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    ddf = smooth_ddf((6, 7, 8), 1.0, generator).float().cuda()
    with torch.autocast("cuda", dtype=torch.float16):
        result = function(ddf)
    assert torch.equal(result, function(ddf))
