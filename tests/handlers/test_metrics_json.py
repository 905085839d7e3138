import json

from ignite.engine import Engine

from common.handlers.metrics_json import MetricsJson


def test_metrics_are_written_when_the_evaluation_ends(tmp_path):
    engine = Engine(lambda engine, batch: None)
    engine.state.metrics.update(dice=0.1 + 0.2, confusion=[[1, 0], [0, 1]], tre=float("nan"))
    MetricsJson(str(tmp_path / "new"), {"seed": 3}).attach(engine)
    assert not (tmp_path / "new").exists()
    engine.run([0])
    assert json.loads((tmp_path / "new" / "metrics.json").read_text()) == {
        "metrics": {"dice": 0.1 + 0.2, "confusion": [[1, 0], [0, 1]], "tre": None},
        "settings": {"seed": 3},
    }
