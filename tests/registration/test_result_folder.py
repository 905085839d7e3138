"""Two programs, one folder."""

import json
import threading

from common.registration.result_folder import UNFINISHED, locked, replace_result


def write(text):
    def written(folder):
        metrics = {"files": ["warped.txt", "metrics.json"], "settings": {}}
        (folder / "warped.txt").write_text(text)
        (folder / "metrics.json").write_text(json.dumps(metrics))
        return metrics

    return written


def test_a_result_waits_for_another_program_that_writes_into_its_folder(tmp_path):
    folder = tmp_path / "case"
    folder.mkdir()
    later = threading.Thread(target=replace_result, args=(folder, write("second")))
    with locked(folder):
        later.start()
        later.join(0.5)
        assert later.is_alive()
        (folder / UNFINISHED).mkdir()
        (folder / UNFINISHED / "warped.txt").write_text("first")
        assert [path.name for path in folder.iterdir()] == [UNFINISHED]
    later.join(10)
    assert not later.is_alive()
    assert (folder / "warped.txt").read_text() == "second"
    assert sorted(path.name for path in folder.iterdir()) == ["metrics.json", "warped.txt"]
