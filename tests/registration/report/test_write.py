import json
import re

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from common.registration.registrar import register
from common.registration.report.data import jacobian_codes, report_data
from common.registration.report.marks import marks
from common.registration.report.preview import Preview, similarities
from common.registration.report.write import write_report
from common.registration.steps import Refinement

HOSTILE = '<b>&"x'
PROBE = """
"use strict";
const errors = [];
window.onerror = (message) => errors.push(message);
window.onunhandledrejection = (event) => errors.push(String(event.reason));
const names = data.planes.flatMap((plane) => Object.keys(VIEWS).map((view) => `${plane.name}-${view}`));
const pixel = (id) => element(id).toDataURL();
const pictures = () => Object.fromEntries(names.map((name) => [name, pixel(name)]));
function set(id, value, event = "input") {
  element(id)[typeof value === "boolean" ? "checked" : "value"] = value;
  element(id).dispatchEvent(new Event(event));
}
function row(id) {  // gray values of a row without letters
  const copy = document.createElement("canvas"), { width, height } = element(id);
  copy.width = width; copy.height = height;
  copy.getContext("2d").drawImage(element(id), 0, 0);
  const { data } = copy.getContext("2d").getImageData(0, Math.floor(height / 4), width, 1);
  return [...data].filter((_, k) => k % 4 === 0);
}
function probe() {
  if (document.body.dataset.ready !== "true") return setTimeout(probe, 50);
  const result = { planes: data.planes.length, empty: [], moved: {}, modes: {} };
  for (const name of names) {
    const blank = document.createElement("canvas");
    blank.width = element(name).width; blank.height = element(name).height;
    if (pixel(name) === blank.toDataURL()) result.empty.push(name);
  }
  const before = pictures();
  for (const plane of data.planes) set("slice-" + plane.name, 14);
  const after = pictures();
  for (const name of names) result.moved[name] = after[name] !== before[name];
  set("cursor", false);
  result.rows = [row("axial-fixed")];
  set("order", "neurological");
  result.rows.push(row("axial-fixed"));
  for (const [id, option] of [...element("comparison").options].map((x) => ["comparison", x.value])
      .concat([["deformation", "displacement"]])) {
    set(id, option);
    result.modes[option] = pixel(id === "comparison" ? "axial-compare-after" : "axial-field");
  }
  const labels = pixel("axial-after");
  set("label", "none");
  result.has_contours = pixel("axial-after") !== labels;
  result.contours = contours(values(data.planes[2], "fixed_label"), data.planes[2].size);
  const step = Uint8Array.from({ length: 48 }, (_, k) => 200 * (k % 8 > 3));  // 6 rows of 8 voxels, an edge at x = 4
  result.edges = [...edges(step, 8)].flatMap((opacity, k) => opacity ? [k] : []);
  set("planes", "axial");
  result.hidden = data.planes.filter((plane) => element(plane.name).hidden).length;
  const box = element("axial-fixed").getBoundingClientRect();
  element("axial-fixed").dispatchEvent(new PointerEvent("pointermove", { buttons: 1,
    clientX: box.left + 0.9 * box.width, clientY: box.top + 0.5 * box.height }));
  result.clicked = [value("slice-sagittal"), value("slice-coronal"), value("slice-axial")].map(Number);
  result.place = element("place").textContent;
  result.errors = errors;
  document.body.dataset.result = JSON.stringify(result);
}
probe();
"""


def test_codes_mark_folds_and_the_middle_is_kept_volume():
    assert jacobian_codes(torch.tensor([[-1.0, 0.0], [1.0, 8.0]])).tolist() == [[0, 0], [32, 63]]


def test_the_preview_is_in_ras_order_and_shows_the_extent_of_the_fixed_image(warped_noise, view_of):
    view = view_of(warped_noise)
    assert view.grid.spatial_shape == (32, 40, 36)
    assert (view.grid.affine[:3, :3].diagonal() > 0).all()
    assert view.determinant.shape == view.fixed.shape == view.warped.shape


def test_similarity_of_an_image_with_itself_is_perfect(view_of):
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


def test_the_page_asks_nothing_of_a_network_and_keeps_markup_out_of_names(warped_noise, view_of, tmp_path):
    write_report(tmp_path / "report.html", view_of(warped_noise), {"fixed": "<script>alert(1)</script>.nii.gz"})
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<script>alert" not in page
    assert not re.findall(r"(?:src|href)=\"(?!data:)[^\"]*\"", page)
    assert "default-src 'none'" in page
    assert not re.search(r"https?://", page)


def test_words_of_others_are_text_wherever_they_stand(warped_noise, view_of, page, tmp_path):
    metrics = {
        "fixed": HOSTILE,
        "moving": "{{data}}",
        "settings": {HOSTILE: HOSTILE},
        "verdict": {"grade": HOSTILE, "reasons": [HOSTILE], "measures": {HOSTILE: 1.0}},
        "contrast": {"similarity": HOSTILE, "chosen_by": "auto", "reason": HOSTILE},
        "warnings": [HOSTILE],
        "overlap": {"before": {"per_label": {}}, "after": {"per_label": {}}},
    }
    write_report(tmp_path / "report.html", view_of(warped_noise), metrics)
    found = page(tmp_path / "report.html")
    assert "b" not in {tag for tag, attributes in found.elements if attributes.get("id") != "longest"}
    assert found.text.count(HOSTILE) >= 9
    assert "{{data}} onto" in found.text


@pytest.mark.parametrize(("similarity", "is_one_contrast"), [("lncc", True), ("mind", False)])
def test_across_contrasts_there_is_no_difference_image_and_no_correlation(
    similarity, is_one_contrast, warped_noise, view_of, page, tmp_path
):
    view = view_of(warped_noise)
    metrics = {"contrast": {"similarity": similarity, "chosen_by": "auto", "reason": "So."}}
    write_report(tmp_path / "report.html", view, metrics | {"similarity": similarities(view)})
    found = page(tmp_path / "report.html")
    assert (found.text.count("difference checkerboard") == 1) == is_one_contrast
    assert ("Correlation" in found.text) == is_one_contrast
    assert "Normalized mutual information" in found.text


def test_the_verdict_stands_above_the_pictures_and_is_left_out_where_there_is_none(
    warped_noise, view_of, page, tmp_path
):
    verdict = {"grade": "failed", "reasons": ["12 % of the voxels fold."], "measures": {"folding_fraction": 0.12}}
    view = view_of(warped_noise)
    write_report(tmp_path / "report.html", view, {"verdict": verdict})
    found = page(tmp_path / "report.html")
    classes = [attributes.get("class", "") for _, attributes in found.elements]
    assert classes.index("grade failed") < classes.index("controls")
    assert "Verdict: failed 12 % of the voxels fold." in found.text
    assert "folding fraction 0.12" in found.text
    write_report(tmp_path / "report.html", view, {})
    assert "Verdict" not in page(tmp_path / "report.html").text


def test_three_planes_of_six_named_pictures_each_and_a_style_for_paper(warped_noise, view_of, page, tmp_path):
    write_report(tmp_path / "report.html", view_of(warped_noise), {})
    found = page(tmp_path / "report.html")
    names = [canvas["aria-label"] for canvas in found.all("canvas")]
    assert len(set(names)) == 18
    assert [section["id"] for section in found.all("section")] == ["axial", "coronal", "sagittal"]
    assert all(image["alt"] for image in found.all("img"))
    on_paper = (
        (tmp_path / "report.html").read_text(encoding="utf-8").partition("</style>")[0].rpartition("@media print {")[2]
    )
    assert ".controls { display: none; }" in on_paper
    assert "@page { size: A4 landscape" in on_paper


def test_dice_of_each_label_in_the_order_of_the_numbers(warped_noise, view_of, page, tmp_path):
    overlap = {
        "before": {"dice": 0.5, "per_label": {"10": 0.25, "2": 0.75}},
        "after": {"dice": 0.625, "per_label": {"10": 0.5, "2": 0.75}},
    }
    write_report(tmp_path / "report.html", view_of(warped_noise), {"overlap": overlap})
    text = page(tmp_path / "report.html").text
    assert "label before after change 2 0.75 0.75 +0.000 10 0.25 0.5 +0.250" in text


def test_slices_of_labels_are_those_of_numpy(warped_noise, annotations, view_of, picture):
    view = view_of(warped_noise)
    marked = marks(warped_noise, annotations, view.grid)
    # The affine of the noise maps (i, j, k) to (−2 j, 2 i, 2 k): in RAS order the first axis is j reversed.
    expected = annotations["fixed_label"][0].numpy().transpose(1, 0, 2)[::-1]
    data = report_data(view, marked)
    for axis, plane in enumerate(data["planes"]):
        sheet, (width, height), tile = picture(plane["sheets"]["fixed_label"]), plane["size"], plane["tile"]
        for number, index in enumerate(plane["indices"]):
            y, x = number // plane["columns"] * tile[1], number % plane["columns"] * tile[0]
            codes = sheet[y : y + height, x : x + width]
            labels = np.array([0, *marked.numbers])[codes]
            assert (labels == np.take(expected, index, axis).T[::-1]).all()


def test_in_a_real_browser_every_control_works_without_an_error(warped_noise, annotations, view_of, probe, tmp_path):
    view = view_of(warped_noise)
    marked = marks(warped_noise, annotations, view.grid)
    metrics = {"fixed": "fixed", "seconds": 1.0, "contrast": {"similarity": "lncc", "chosen_by": "auto", "reason": ""}}
    write_report(tmp_path / "report.html", view, metrics, marked)
    page = probe(tmp_path / "report.html", PROBE)
    result = json.loads(re.search(r'data-result="([^"]*)"', page)[1].replace("&quot;", '"'))
    assert result["errors"] == []
    assert result["planes"] == 3
    assert result["empty"] == []
    assert all(result["moved"].values()), result["moved"]
    assert result["rows"][0] == result["rows"][1][::-1] != result["rows"][1]
    assert len(set(result["modes"].values())) == 6
    assert result["has_contours"]
    assert result["edges"] == [8 * y + 4 for y in range(1, 5)]
    assert result["hidden"] == 2
    # The pane is 32 × 40 voxels, radiological order was left: 0.9 of the width is voxel 28, half the height is 19.5.
    assert result["clicked"][0] == 28
    assert result["clicked"][1] in (19, 20)
    assert result["place"].endswith(" mm")
    codes = marked.labels["fixed_label"][:, :, 14].numpy().T[::-1]
    assert len(result["contours"]) == (codes[:, 1:] != codes[:, :-1]).sum() + (codes[1:] != codes[:-1]).sum() > 0


def test_data_of_three_slices_has_three_planes(view_of):
    image = MetaTensor(torch.rand(1, 20, 20, 3), affine=torch.diag(torch.tensor([1.0, 1.0, 4.0, 1.0])))
    view = view_of(register(image, image, refine=Refinement(1, num_levels=1)))
    assert [plane["name"] for plane in report_data(view)["planes"]] == ["sagittal", "coronal", "axial"]
