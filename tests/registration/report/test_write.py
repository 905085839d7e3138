import json
import re
import shutil
import subprocess

import pytest
import torch
from monai.data import MetaTensor

from common.metrics.regularity import determinant_of_field_mm
from common.registration.registrar import register
from common.registration.report.data import jacobian_codes, report_data
from common.registration.report.preview import Preview, preview, similarities
from common.registration.report.write import write_report
from common.registration.result import Registration
from common.registration.steps import Refinement

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PROBE = """<script>
"use strict";
const errors = [];
window.onerror = (message) => errors.push(message);
window.onunhandledrejection = (event) => errors.push(String(event.reason));
function pixel(id) { return element(id).toDataURL(); }
function probe() {
  if (document.body.dataset.ready !== "true") return setTimeout(probe, 50);
  const names = ["fixed", "moving", "warped", "checkerboard", "before", "difference", "grid", "jacobian"];
  const result = { planes: data.planes.length, moved: {}, empty: [] };
  for (const name of names) {
    const blank = document.createElement("canvas");
    blank.width = element(name).width; blank.height = element(name).height;
    if (pixel(name) === blank.toDataURL()) result.empty.push(name);
  }
  const before = Object.fromEntries(names.map((name) => [name, pixel(name)]));
  element("slice").value = 2;
  element("slice").dispatchEvent(new Event("input"));
  for (const name of names) result.moved[name] = pixel(name) !== before[name];
  element("plane").value = 0;
  element("plane").dispatchEvent(new Event("change"));
  result.plane = pixel("fixed") !== before.fixed;
  result.place = element("place").textContent;
  result.errors = errors;
  document.body.dataset.result = JSON.stringify(result);
}
probe();
</script>"""


def warped_noise(size=40):
    """A registration of noise whose field bends and folds, on a grid that is not in RAS order."""
    generator = torch.Generator().manual_seed(0)
    affine = torch.tensor([[0.0, -2.0, 0, 30], [2.0, 0, 0, -40], [0, 0, 2.0, 10], [0, 0, 0, 1]])
    fixed, moving = (
        MetaTensor(torch.rand(1, size, size - 8, size - 4, generator=generator), affine=affine) for _ in range(2)
    )
    field = torch.nn.functional.interpolate(
        8 * torch.randn(1, 3, 6, 6, 6, generator=generator), size=fixed.shape[1:], mode="trilinear"
    )[0]
    return Registration(fixed, moving, MetaTensor(field, affine=affine))


def view_of(registration, edge_voxels=192):
    determinant = determinant_of_field_mm(registration.field.as_tensor(), registration.grid)
    return preview(registration, registration.warp(registration.moving), determinant, edge_voxels)


def test_codes_mark_folds_and_the_middle_is_kept_volume():
    assert jacobian_codes(torch.tensor([[-1.0, 0.0], [1.0, 8.0]])).tolist() == [[0, 0], [32, 63]]


def test_the_preview_is_in_ras_order_and_shows_the_extent_of_the_fixed_image():
    view = view_of(warped_noise())
    assert view.grid.spatial_shape == (32, 40, 36)
    assert (view.grid.affine[:3, :3].diagonal() > 0).all()
    assert view.determinant.shape == view.fixed.shape == view.warped.shape


def test_similarity_of_an_image_with_itself_is_perfect():
    registration = register(*[MetaTensor(torch.rand(1, 12, 12, 12), affine=torch.eye(4))] * 2, effort="none")
    for scores in similarities(view_of(registration)).values():
        assert scores["correlation"] == pytest.approx(1.0)


def test_the_page_stays_below_five_megabytes_for_noise_of_256_cubed(tmp_path):
    """Noise cannot be compressed: no pair of that size needs more."""
    generator = torch.Generator().manual_seed(0)
    volumes = [torch.rand(192, 192, 192, generator=generator) for _ in range(4)]
    ddf = torch.randn(3, 192, 192, 192, generator=generator)
    grid = register(*[MetaTensor(torch.rand(1, 4, 4, 4), affine=torch.eye(4))] * 2, effort="none").grid
    view = Preview(grid, *volumes[:3], torch.ones(()), torch.ones(192, 192, 192), volumes[3] * 2, ddf)
    write_report(tmp_path / "report.html", view, {})
    assert (tmp_path / "report.html").stat().st_size < 5_000_000


def test_the_page_asks_nothing_of_a_network_and_keeps_markup_out_of_names(tmp_path):
    write_report(tmp_path / "report.html", view_of(warped_noise()), {"fixed": "<script>alert(1)</script>.nii.gz"})
    page = (tmp_path / "report.html").read_text()
    assert "<script>alert" not in page
    assert not re.findall(r"(?:src|href)=\"(?!data:)[^\"]*\"", page)
    assert "default-src 'none'" in page
    assert not re.search(r"https?://", page)


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium")
def test_in_a_real_browser_the_slider_moves_every_picture_without_an_error(tmp_path):
    registration = warped_noise()
    write_report(tmp_path / "report.html", view_of(registration), {"fixed": "fixed", "seconds": 1.0})
    page = (tmp_path / "report.html").read_text().replace("</body>", PROBE + "</body>")
    (tmp_path / "probed.html").write_text(page)
    command = [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=20000"]
    command += [f"--user-data-dir={tmp_path / 'profile'}", "--enable-logging=stderr", "--dump-dom"]
    found = subprocess.run(
        [*command, f"file://{tmp_path / 'probed.html'}"], capture_output=True, text=True, timeout=120
    )
    assert "CONSOLE" not in found.stderr
    result = json.loads(re.search(r'data-result="([^"]*)"', found.stdout)[1].replace("&quot;", '"'))
    assert result["errors"] == []
    assert result["planes"] == 3
    assert result["empty"] == []
    assert all(result["moved"].values()), result["moved"]
    assert result["plane"]
    assert result["place"].endswith(" mm")


def test_data_of_three_slices_has_three_planes():
    image = MetaTensor(torch.rand(1, 20, 20, 3), affine=torch.diag(torch.tensor([1.0, 1.0, 4.0, 1.0])))
    view = view_of(register(image, image, refine=Refinement(1, num_levels=1)))
    assert [plane["name"] for plane in report_data(view)["planes"]] == ["sagittal", "coronal", "axial"]
