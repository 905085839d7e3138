"""Registrations that begin with a transform that is known."""

import pytest
import torch

from common.registration.batch import Job, Request, run_job
from common.registration.registrar import Registrar, register
from common.registration.start import Init
from common.world.chain import Chain, LinearMap
from common.world.files import save_field
from common.world.grid import Grid
from common.world.transform_files import read_transform, write_transform


@pytest.fixture(scope="module")
def motion():
    matrix = torch.eye(4, dtype=torch.float64)
    matrix[:3, 3] = torch.tensor([2.0, -1.0, 3.0])
    return matrix


@pytest.mark.parametrize("suffix", [".tfm", ".mat", ".txt"])
def test_an_affine_file_is_the_alignment_before_anything_is_optimized(pair, motion, tmp_path, suffix):
    write_transform(tmp_path / f"known{suffix}", Chain((LinearMap(motion),)))
    registration = register(*pair, init=str(tmp_path / f"known{suffix}"), effort="none")
    torch.testing.assert_close(registration.initial, motion)
    torch.testing.assert_close(registration.affine, motion)


def test_a_field_is_where_the_refinement_begins_and_no_affine_map_spoils_it(pair, tmp_path):
    known = register(*pair, init="moments", refine=10)
    known.save(tmp_path / "known", report=False)
    again = register(*pair, init=str(tmp_path / "known"), effort="none")
    torch.testing.assert_close(again.field, known.field, atol=1e-3, rtol=0)
    assert again.alignment["taken"] == "initial"
    points = torch.tensor([[5.0, 8.0, 15.0], [-3.0, 20.0, 33.0]])
    refined = register(*pair, init=str(tmp_path / "known"), refine=2, affine=True)
    assert (refined.move_points(points) - known.move_points(points)).norm(dim=1).max() < 2.0


def test_several_transforms_begin_in_their_order_and_inverted(pair, motion, tmp_path):
    write_transform(tmp_path / "known.tfm", Chain((LinearMap(motion),)))
    there_and_back = [tmp_path / "known.tfm", f"inverse:{tmp_path}/known.tfm", f"{tmp_path}/known.tfm"]
    registration = register(*pair, init=there_and_back, effort="none")
    torch.testing.assert_close(registration.initial, motion)
    settings = Registrar(init=",".join(map(str, there_and_back))).settings
    assert settings["init"].split(",")[1].startswith("inverse:/")
    assert len(set(settings["init_sha256"].split(","))) == 1


def test_a_word_that_is_neither_is_refused_and_a_field_beside_a_bundle(pair, tmp_path):
    with pytest.raises(
        ValueError, match="init: expected world, center, moments, or a file of a transform, got 'momnts'"
    ):
        Init("momnts")
    grid = Grid((4, 4, 4), torch.diag(torch.tensor([30.0, 30.0, 30.0, 1.0])))
    save_field(tmp_path / "field.nii.gz", torch.rand(3, 4, 4, 4), grid)
    with pytest.raises(ValueError, match="init: expected affine maps beside a bundle"):
        register(*pair, "wasserstein_voxelmorph", init=str(tmp_path / "field.nii.gz"))


def test_the_affine_part_of_a_start_holds_what_is_affine(tmp_path):
    grid = Grid((6, 6, 6), torch.eye(4))
    points = grid.voxel_to_world(torch.stack(torch.meshgrid(*[torch.arange(6)] * 3, indexing="ij"), dim=-1))
    stretch = points * torch.tensor([0.2, 0.0, -0.1])
    save_field(tmp_path / "field.nii.gz", stretch.movedim(-1, 0), grid)
    torch.testing.assert_close(
        read_transform(tmp_path / "field.nii.gz").maps[0].linear_part,
        torch.diag(torch.tensor([1.2, 1.0, 0.9, 1.0], dtype=torch.float64)),
        atol=1e-5,
        rtol=0,
    )


def test_a_transform_that_a_result_would_replace_is_refused(pair, motion, tmp_path):
    write_transform(tmp_path / "affine.tfm", Chain((LinearMap(motion),)))
    before = (tmp_path / "affine.tfm").read_bytes()
    registrar = Registrar(init=str(tmp_path / "affine.tfm"))
    with pytest.raises(ValueError, match=r"no result replaces an input, got that of .*affine.tfm"):
        run_job(Job(*pair), registrar, tmp_path, Request(report=False), overwrite=True)
    assert (tmp_path / "affine.tfm").read_bytes() == before
