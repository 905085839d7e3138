import json
import re
from html import unescape
from urllib.parse import unquote

import pytest

from common.registration.report.index import check_index, write_index
from common.registration.report.still import still_of_report
from common.registration.report.write import write_report

HOSTILE = '<b>&"x'


@pytest.fixture
def batch(tmp_path, warped_noise, view_of):
    """Writes pairs with a verdict, a Dice and the seconds they took, each with the same report."""
    view = view_of(warped_noise)

    def write(grades):
        for number, (name, grade) in enumerate(grades.items(), start=1):
            metrics = {
                "verdict": {"grade": grade, "reasons": [f"reason of {name}"]},
                "overlap": {"before": {"dice": 0.5}, "after": {"dice": number / 10}},
                "settings": {},
                "seconds": float(10 * number),
                "files": ["report.html", "metrics.json"],
            }
            (tmp_path / name).mkdir()
            (tmp_path / name / "metrics.json").write_text(json.dumps(metrics))
            write_report(tmp_path / name / "report.html", view, metrics)
        return tmp_path

    return write


def names_of(path):
    """Name of each pair, in the order of the page."""
    return [
        json.loads(unescape(value)) for value in re.findall(r"data-value='([^']*)'", path.read_text(encoding="utf-8"))
    ]


def test_the_worst_stand_on_top_and_equals_keep_their_order(batch):
    folder = batch({"a": "good", "b": "failed", "c": "doubtful", "d": "good", "e": "failed"})
    write_index(folder, ["a", "b", "c", "d", "e", "f", "g"], {"f": "no overlap"})
    assert names_of(folder / "index.html") == ["f", "g", "b", "e", "c", "a", "d"]


def test_failures_and_counts_are_told(batch, page):
    folder = batch({"a": "good", "b": "doubtful"})
    write_index(folder, ["a", "b", "c"], {"c": "moving: expected the file c.nii.gz, found nothing"})
    text = page(folder / "index.html").text
    assert "1 not registered, 1 doubtful, 1 good" in text
    assert "c not registered moving: expected the file c.nii.gz, found nothing" in text


def test_a_pair_that_failed_now_shows_no_scores_of_an_older_result(batch, page):
    folder = batch({"a": "good"})
    write_index(folder, ["a"], {"a": "got others (init differ)"})
    found = page(folder / "index.html")
    assert found.all("a") == []
    assert "Dice" not in found.text


def test_names_are_text_and_links_lead_to_the_reports(batch, page):
    folder = batch({HOSTILE: "good", "50%#1": "good"})
    write_index(folder, [HOSTILE, "50%#1"], {})
    found = page(folder / "index.html")
    assert found.all("b") == []
    links = [attributes["href"] for attributes in found.all("a")]
    assert [unquote(link) for link in links] == [f"{HOSTILE}/report.html", "50%#1/report.html"]
    assert not any(letter in "".join(links) for letter in '<>&"#')


def test_thumbnails_are_the_stills_of_the_reports(batch, page, picture):
    folder = batch({"a": "good"})
    write_index(folder, ["a"], {})
    (image,) = page(folder / "index.html").all("img")
    assert image["src"] == still_of_report(folder / "a" / "report.html")
    assert image["alt"]
    assert picture(image["src"]).shape == (112, 3 * 90 + 2 * 2)  # slices of 32 × 40 voxels, two gaps


def test_a_column_that_no_pair_has_is_left_out(batch, page):
    folder = batch({"a": "good"})
    write_index(folder, ["a"], {})
    text = page(folder / "index.html").text
    assert "Dice after" in text
    assert "Landmarks" not in text


def test_a_page_of_another_program_is_refused_unless_it_may_be_replaced(tmp_path):
    check_index(tmp_path / "none")
    (tmp_path / "index.html").write_text("<p>mine</p>")
    with pytest.raises(FileExistsError, match=r"index\.html: .*--overwrite"):
        check_index(tmp_path)
    check_index(tmp_path, overwrite=True)
    write_index(tmp_path, [], {})
    check_index(tmp_path)


def test_a_folder_in_the_place_of_the_page_is_refused(tmp_path):
    (tmp_path / "index.html").mkdir()
    with pytest.raises(FileExistsError, match="found a folder"):
        check_index(tmp_path, overwrite=True)


def test_in_a_real_browser_columns_sort_both_ways_and_what_is_missing_stays_last(batch, probe):
    folder = batch({"p10": "good", "p9": "failed", "p1": "doubtful"})
    write_index(folder, ["p10", "p9", "p1", "gone"], {"gone": "no overlap"})
    script = """
    const names = () => [...body.rows].map((row) => row.cells[0].textContent);
    const found = { start: names() };
    for (const title of ["Pair", "Dice after", "Dice after", "Verdict"]) {
      const button = [...document.querySelectorAll("th button")].find((button) => button.textContent === title);
      button.click();
      found[title + Object.keys(found).length] = names();
    }
    document.body.dataset.result = JSON.stringify(found);
    """
    page = probe(folder / "index.html", script)
    result = json.loads(re.search(r'data-result="([^"]*)"', page)[1].replace("&quot;", '"'))
    assert list(result.values()) == [
        ["gone", "p9", "p1", "p10"],
        ["gone", "p1", "p9", "p10"],
        ["p10", "p9", "p1", "gone"],
        ["p1", "p9", "p10", "gone"],
        ["gone", "p9", "p1", "p10"],
    ]
