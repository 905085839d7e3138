"""A server in a process of its own, on real images, called by MONAI Label's client."""

import os
from pathlib import Path

import pytest

pytest.importorskip("monailabel")
pytest.importorskip("uvicorn")

from apps.monailabel.trial import PAIRS, atlas_table, load_table, refusal_table, task_table
from apps.monailabel.trial_server import running_server, write_studies

pytestmark = [pytest.mark.slow, pytest.mark.data]
NOT_SERVED = {"upload of an image", "session", "weights to the server", "weights away", "batch"}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = os.environ.get("REGISTRATION_DATA", "")
    if not folder:
        pytest.skip("REGISTRATION_DATA is not set")
    studies = tmp_path_factory.mktemp("server") / "studies"
    write_studies(studies, Path(folder))
    with running_server(studies) as url:
        yield url, studies


def table(function, server):
    return list(function(*server))[2:]


def test_every_task_answers_and_simpleitk_applies_its_field_alike(server):
    rows = table(task_table, server)
    assert [row[0] for row in rows] == [task for name in PAIRS for task in (name, f"{name}_labels")]
    for _, _, _, error, _, folds, dice in rows:
        assert not error or float(error) < 0.1  # percent of the range
        assert float(folds) < 1
        before, after = map(float, dice.split(", ")) if dice else (0, 1)
        assert after > before


def test_labels_of_the_nearest_atlases_fit(server):
    assert all(float(row[-1]) > 0.75 for row in table(atlas_table, server))


def test_bad_requests_are_refused_with_one_line(server):
    rows = {name: (status, message) for name, status, message in table(refusal_table, server)}
    assert all(400 <= status < 500 for status, _ in rows.values())
    assert {name for name, (status, _) in rows.items() if status in (404, 405)} >= NOT_SERVED
    assert not any(str(server[1]) in message for name, (_, message) in rows.items() if "path" not in name)


def test_thirty_requests_and_clients_that_go_leave_a_server_that_answers(server):
    found = dict(table(load_table, server))
    statuses = found["statuses of 30 requests at once"]
    assert sum(statuses.values()) == 30
    assert statuses.keys() == {200, 503}
    assert found["request after them: status, processor s"].startswith("200")
    assert found["their temporary files that stay"] == 0
