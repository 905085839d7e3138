import pytest
import torch

from common.registration.landmarks import SUFFIXES, Landmarks, read_landmarks, write_landmarks

POINTS = Landmarks(torch.tensor([[1.25, -2.5, 3.0], [10.0, 20.0, -30.0]], dtype=torch.float64), ("tip", "a, b"))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_form_comes_back(suffix, tmp_path):
    write_landmarks(tmp_path / f"points{suffix}", POINTS)
    found = read_landmarks(tmp_path / f"points{suffix}")
    torch.testing.assert_close(found.points_mm, POINTS.points_mm)
    assert found.labels == POINTS.labels
    assert found.suffix == suffix


def test_slicer_forms_hold_lps(tmp_path):
    for suffix in (".fcsv", ".mrk.json"):
        write_landmarks(tmp_path / f"points{suffix}", POINTS)
        text = (tmp_path / f"points{suffix}").read_text(encoding="utf-8")
        assert "-1.25" in text
        assert "LPS" in text


@pytest.mark.parametrize(("header", "sign"), [("x,y,z", 1), ("label,r,a,s", 1), ("label,l,p,s", -1)])
def test_the_header_of_a_csv_tells_its_axes(header, sign, tmp_path):
    label = "tip," if header.startswith("label") else ""
    (tmp_path / "points.csv").write_text(f"{header}\n{label}1,2,3\n")
    found = read_landmarks(tmp_path / "points.csv")
    assert found.points_mm.tolist() == [[sign * 1.0, sign * 2.0, 3.0]]
    assert found.labels == (("tip",) if label else ("1",))


def test_an_old_fcsv_in_ras_is_read_as_such(tmp_path):
    text = "# Markups fiducial file version = 4.3\n# CoordinateSystem = 0\n# columns = id,x,y,z,label\nF-1,1,2,3,tip\n"
    (tmp_path / "points.fcsv").write_text(text)
    assert read_landmarks(tmp_path / "points.fcsv").points_mm.tolist() == [[1.0, 2.0, 3.0]]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("points.csv", "1,2,3\n4,5,6\n", "without x, y, z"),
        ("points.csv", "x,y,z\n", "no points"),
        ("points.csv", "x,y,z\n1,2,left\n", "left"),
        ("points.csv", "x,y,z\n1,2,nan\n", "finite"),
        ("points.mrk.json", "{}", "markups"),
        ("points.txt", "1 2 3", "ends in .csv"),
    ],
)
def test_other_content_is_refused_by_the_name_of_the_file(name, text, message, tmp_path):
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=message) as error:
        read_landmarks(tmp_path / name)
    assert name in str(error.value)
