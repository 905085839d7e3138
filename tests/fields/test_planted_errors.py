"""The property tests of the field algebra fail when an error is planted in the function that they test."""

import pytest
import torch
from torch.autograd.gradcheck import GradcheckError

from common.fields.ddf import compose, integrate, resize, warp
from common.fields.jacobian import jacobian_determinant, sdlogj
from common.fields.sampling import identity_grid, sample

CONSTANT_VELOCITY = "test_integrate_constant_velocity_is_that_displacement_up_to_the_border"


def half_sample(image, coordinates, mode="bilinear", padding_mode="border"):
    return sample(image, coordinates.half(), mode, padding_mode)


def swapped_axes_warp(moving, ddf, **options):
    return warp(moving, ddf.flip(1), **options)


def push_forward_warp(moving, ddf, **options):
    return warp(moving, -ddf, **options)


def halved_warp(moving, ddf, **options):
    return warp(moving, ddf / 2, **options)


def half_voxel_warp(moving, ddf, **options):
    return warp(moving, ddf + 0.5, **options)


def corner_aligned_warp(moving, ddf, mode="bilinear", padding_mode="border"):
    sizes = torch.tensor(moving.shape[2:], dtype=ddf.dtype).view(1, -1, *[1] * (ddf.ndim - 2))
    coordinates = identity_grid(list(ddf.shape[2:]), dtype=ddf.dtype) + ddf
    return warp(moving, coordinates * (sizes - 1) / sizes - coordinates + ddf, mode, padding_mode)


def zeros_padding_warp(moving, ddf, mode="bilinear", padding_mode="zeros"):
    return warp(moving, ddf, mode, padding_mode="zeros")


def detached_warp(moving, ddf, **options):
    return warp(moving, ddf.detach(), **options) + 0 * ddf.sum()


def reversed_compose(outer, inner):
    return compose(inner, outer)


def added_compose(outer, inner):
    return outer + inner


def mixed_compose(outer, inner):
    return (compose(outer, inner) + compose(inner, outer)) / 2


def forgotten_inner_compose(outer, inner):
    return warp(outer, inner)


def zeros_padding_integrate(velocity, num_steps=7):
    ddf = velocity / 2**num_steps
    for _ in range(num_steps):
        ddf = ddf + warp(ddf, ddf, padding_mode="zeros")
    return ddf


def doubled_integrate(velocity, num_steps=7):
    return integrate(2 * velocity, num_steps)


def halved_integrate(velocity, num_steps=7):
    return integrate(velocity / 2, num_steps)


def added_integrate(velocity, num_steps=7):
    return velocity + 0 * num_steps


def swapped_axes_integrate(velocity, num_steps=7):
    return integrate(velocity.flip(1), num_steps)


def negated_invert(ddf, num_iterations=30):
    return -ddf


def damped_invert(ddf, num_iterations=30):
    inverse = -ddf
    for _ in range(num_iterations):
        inverse = (inverse - warp(ddf, inverse)) / 2
    return inverse


def zeros_padding_invert(ddf, num_iterations=30):
    inverse = -ddf
    for _ in range(num_iterations):
        inverse = -warp(ddf, inverse, padding_mode="zeros")
    return inverse


def unscaled_resize(ddf, spatial_shape):
    mode = "bilinear" if len(spatial_shape) == 2 else "trilinear"
    return torch.nn.functional.interpolate(ddf, size=spatial_shape, mode=mode, align_corners=True)


def size_ratio_resize(ddf, spatial_shape):
    factors = torch.tensor([new / old for new, old in zip(spatial_shape, ddf.shape[2:], strict=True)])
    return unscaled_resize(ddf, spatial_shape) * factors.view(1, -1, *[1] * len(spatial_shape))


def swapped_factors_resize(ddf, spatial_shape):
    return resize(ddf.flip(1), spatial_shape).flip(1)


def displacement_jacobian_determinant(ddf):
    return jacobian_determinant(ddf - identity_grid(list(ddf.shape[2:]), dtype=ddf.dtype))


def doubled_jacobian_determinant(ddf):
    return jacobian_determinant(2 * ddf)


def swapped_jacobian_determinant(ddf):
    return jacobian_determinant(ddf.flip(1))


def absolute_jacobian_determinant(ddf):
    return jacobian_determinant(ddf).abs()


def uncropped_sdlogj(ddf, offset=0.0, margin=2):
    return sdlogj(ddf, offset, margin=0)


def forgotten_offset_sdlogj(ddf, offset=0.0, margin=2):
    return sdlogj(ddf, 0.0, margin)


CASES = [
    ("test_sampling", "test_sample_keeps_a_third_of_a_voxel_at_voxel_150_of_a_float16_image", half_sample),
    ("test_ddf", "test_warp_by_zero_is_the_identity", half_voxel_warp),
    ("test_ddf", "test_warp_by_zero_is_the_identity", corner_aligned_warp),
    ("test_ddf", "test_warp_by_integer_translation_shifts_the_image", swapped_axes_warp),
    ("test_ddf", "test_warp_by_integer_translation_shifts_the_image", push_forward_warp),
    ("test_ddf", "test_warp_by_integer_translation_shifts_the_image", halved_warp),
    ("test_ddf", "test_warp_equals_scipy_map_coordinates", swapped_axes_warp),
    ("test_ddf", "test_warp_equals_scipy_map_coordinates", corner_aligned_warp),
    ("test_ddf", "test_warp_equals_scipy_map_coordinates", zeros_padding_warp),
    ("test_ddf", "test_warp_gradients_in_image_and_field", detached_warp),
    ("test_compose", "test_compose_with_zero_is_neutral", forgotten_inner_compose),
    ("test_compose", "test_compose_of_affine_maps_is_the_matrix_product", reversed_compose),
    ("test_compose", "test_compose_of_affine_maps_is_the_matrix_product", added_compose),
    ("test_compose", "test_compose_is_associative", mixed_compose),
    ("test_compose", "test_warp_by_a_composition_is_warping_by_outer_then_by_inner", reversed_compose),
    (
        "test_integrate",
        CONSTANT_VELOCITY,
        zeros_padding_integrate,
    ),
    ("test_integrate", CONSTANT_VELOCITY, doubled_integrate),
    ("test_integrate", CONSTANT_VELOCITY, halved_integrate),
    ("test_integrate", "test_integrate_of_opposite_velocities_are_inverse_maps", added_integrate),
    ("test_integrate", "test_integrate_rotation_generator_gives_the_rotation", added_integrate),
    ("test_integrate", "test_integrate_rotation_generator_gives_the_rotation", swapped_axes_integrate),
    ("test_integrate", "test_integrate_rotation_generator_gives_the_rotation", halved_integrate),
    ("test_integrate", "test_integrate_error_halves_with_each_squaring", added_integrate),
    ("test_invert", "test_invert_of_a_translation_is_the_opposite_translation", zeros_padding_invert),
    ("test_invert", "test_compose_with_the_inverse_is_the_identity", negated_invert),
    ("test_invert", "test_inverse_after_the_field_is_the_identity_in_the_interior", negated_invert),
    ("test_invert", "test_invert_of_an_affine_map_is_the_inverse_matrix", negated_invert),
    ("test_invert", "test_invert_error_falls_by_the_lipschitz_constant", damped_invert),
    ("test_resize", "test_resize_rescales_each_component_by_its_own_axis", swapped_factors_resize),
    ("test_resize", "test_resize_keeps_an_affine_map", unscaled_resize),
    ("test_resize", "test_resize_keeps_an_affine_map", size_ratio_resize),
    ("test_jacobian", "test_jacobian_determinant_of_a_constant_field_is_one", displacement_jacobian_determinant),
    ("test_jacobian", "test_jacobian_determinant_of_an_affine_map_is_that_of_its_matrix", doubled_jacobian_determinant),
    ("test_jacobian", "test_jacobian_determinant_of_an_affine_map_is_that_of_its_matrix", swapped_jacobian_determinant),
    ("test_jacobian", "test_jacobian_determinant_of_a_reflection_is_minus_one", absolute_jacobian_determinant),
    ("test_jacobian", "test_sdlogj_with_offset_three_is_the_figure_of_learn2reg", uncropped_sdlogj),
    ("test_jacobian", "test_sdlogj_with_offset_three_is_the_figure_of_learn2reg", forgotten_offset_sdlogj),
]


@pytest.mark.parametrize(("file", "test_name", "planted"), CASES)
def test_property_test_fails_on_a_planted_error(file, test_name, planted, run_with_error):
    with pytest.raises((AssertionError, GradcheckError)):
        run_with_error(file, test_name, planted)


def faithful_warp(moving, ddf, **options):
    return warp(moving, ddf, **options)


def test_property_test_passes_where_nothing_is_wrong(run_with_error):
    run_with_error("test_ddf", "test_warp_equals_scipy_map_coordinates", faithful_warp)
