"""Lists as Excel, pandas and Slicer save them."""

import codecs
import json

import pytest

from common.data.pair_list import read_entries
from common.data.tables import read_table
from common.registration.landmarks import read_landmarks

PAIR = {"fixed": "a b.nii.gz", "moving": "ü.nii.gz", "name": "001"}
LINES = ["fixed,moving,name", "a b.nii.gz,ü.nii.gz,001"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_every_encoding_of_a_csv_list_is_the_same_list(encoding, newline, tmp_path):
    (tmp_path / "pairs.csv").write_bytes(newline.join([*LINES, ""]).encode(encoding))
    assert read_entries(tmp_path / "pairs.csv") == [PAIR]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_every_encoding_of_a_json_list_is_the_same_list(encoding, tmp_path):
    (tmp_path / "pairs.json").write_bytes(json.dumps([PAIR], ensure_ascii=False).encode(encoding))
    assert read_entries(tmp_path / "pairs.json") == [PAIR]


@pytest.mark.parametrize(
    "text",
    [
        "fixed;moving;name\na b.nii.gz;ü.nii.gz;001\n",
        "sep=;\nfixed;moving;name\na b.nii.gz;ü.nii.gz;001\n",
        "fixed\tmoving\tname\na b.nii.gz\tü.nii.gz\t001\n",
        "fixed, moving, name\na b.nii.gz, ü.nii.gz, 001\n",
        " Fixed ,Moving,NAME\n a b.nii.gz ,ü.nii.gz ,001 \n",
        '"fixed","moving","name"\n"a b.nii.gz","ü.nii.gz","001"\n',
        ",fixed,moving,name\n0,a b.nii.gz,ü.nii.gz,001\n",
        "Unnamed: 0,fixed,moving,name\n0,a b.nii.gz,ü.nii.gz,001\n",
        "\nfixed,moving,name,,\n,,,,\na b.nii.gz,ü.nii.gz,001,,\n,,,,\n\n",
        "fixed,moving,name,fixed_label\na b.nii.gz,ü.nii.gz,001,\n",
    ],
)
def test_every_form_of_a_csv_list_is_the_same_list(text, tmp_path):
    (tmp_path / "pairs.csv").write_text(text, encoding="utf-8")
    assert read_entries(tmp_path / "pairs.csv") == [PAIR]


def test_null_and_nan_of_json_stand_for_nothing(tmp_path):
    text = '[{"fixed": "a", "moving": "b", "name": null, "fixed_label": NaN, "moving_label": null}]'
    (tmp_path / "pairs.json").write_text(text)
    assert read_entries(tmp_path / "pairs.json") == [{"fixed": "a", "moving": "b"}]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fixed,moving\na,b\na,b,c\n", r"pairs\.csv, line 3: expected 2 cells, as the header has, got 3"),
        ("fixed,moving\n\na,\n", r"pairs\.csv, line 3: .*moving is missing"),
        ('fixed,moving\na,"b\n', r"pairs\.csv, line 2: expected a row of a table"),
        ("fixed,fixed,moving\na,b,c\n", r"pairs\.csv: expected every column once, got fixed, fixed, moving"),
        ("", r"pairs\.csv: expected a list of pairs"),
    ],
)
def test_errors_name_the_file_and_the_line(text, message, tmp_path):
    (tmp_path / "pairs.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_entries(tmp_path / "pairs.csv")


def test_bytes_that_are_no_text_are_refused_by_name(tmp_path):
    (tmp_path / "pairs.csv").write_bytes(codecs.BOM_UTF16_LE + b"\x00\xd8x")
    with pytest.raises(ValueError, match=r"pairs\.csv: expected text in UTF-8"):
        read_table(tmp_path / "pairs.csv")


@pytest.mark.parametrize(
    "text",
    [
        "x;y;z\n1,5;-2,25;3,0\n",
        "label; x; y; z\n1; 1,5; -2,25; 3\n;;;\n",
        "x\ty\tz\n1.5\t-2.25\t3\n",
        "\ufeffx,y,z\n1.5, -2.25, 3\n,,\n",
    ],
)
def test_landmarks_of_excel_are_read(text, tmp_path):
    (tmp_path / "points.csv").write_text(text, encoding="utf-8")
    assert read_landmarks(tmp_path / "points.csv").points_mm.tolist() == [[1.5, -2.25, 3.0]]


def test_a_coordinate_that_is_no_number_is_named_with_its_line(tmp_path):
    (tmp_path / "points.csv").write_text("label,x,y,z\ntip,1,2,3\n,,,\nbase,1,,3\n")
    with pytest.raises(ValueError, match=r"points\.csv: .* line 4: expected a number for y, got ''"):
        read_landmarks(tmp_path / "points.csv")
