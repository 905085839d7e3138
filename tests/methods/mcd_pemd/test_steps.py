from types import SimpleNamespace

import pytest
import torch

from common.methods.mcd_pemd.classifier import DisplacementClassifier
from common.methods.mcd_pemd.discrepancy import ClassifierDiscrepancy
from common.methods.mcd_pemd.steps import ClassifierDiscrepancySteps, DiscrepancySettings

ENGINE = SimpleNamespace(state=SimpleNamespace(epoch=1))


def steps(discrepancy="pemd16", **settings):
    torch.manual_seed(0)
    network = DisplacementClassifier(num_test_heads=1 if discrepancy == "none" else 2)
    parts = {"features": network.feature_extractor, "head": network.head, "second_head": network.second_head}
    optimizers = {name: torch.optim.SGD(part.parameters(), lr=0.05) for name, part in parts.items()}
    discrepancy = ClassifierDiscrepancy(discrepancy)
    return ClassifierDiscrepancySteps(network, discrepancy, optimizers, DiscrepancySettings(**settings))


def batch(generator, count=8):
    source, target = 3 * torch.randn(2, count, 2, 39, 39, generator=generator)
    label = torch.randint(25, (count,), generator=generator)
    return {"source": {"image": source, "label": label}, "target": {"image": target}}


def snapshot(method):
    parts = {
        "features": method.network.feature_extractor,
        "head": method.network.head,
        "second_head": method.network.second_head,
    }
    return {name: torch.cat([p.detach().flatten() for p in part.parameters()]) for name, part in parts.items()}


def moved(method, before):
    return {name for name, value in snapshot(method).items() if not torch.equal(value, before[name])}


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        ("source_step", {"features", "head"}),
        ("heads_step", {"head", "second_head"}),
        ("features_step", {"features"}),
    ],
)
def test_each_step_moves_its_parts_and_no_others(step, expected, generator):
    method, data = steps(), batch(generator)
    before, source, target = snapshot(method), data["source"], data["target"]["image"]
    arguments = {
        "source_step": (source["image"], source["label"]),
        "heads_step": (source["image"], source["label"], target),
        "features_step": (target,),
    }[step]
    getattr(method, step)(*arguments)
    assert moved(method, before) == expected


def test_source_only_leaves_the_second_head_alone(generator):
    method = steps("none")
    before = snapshot(method)
    assert set(method(ENGINE, batch(generator))) == {"loss"}
    assert moved(method, before) == {"features", "head"}


def test_the_heads_step_drives_the_heads_apart_and_the_features_step_together(generator):
    method = steps(temperature=0.1, maximize_weight=50.0, minimize_weight=1.0)
    data = batch(generator)
    image, label, target = data["source"]["image"], data["source"]["label"], data["target"]["image"]
    apart, agreement = zip(*[method.heads_step(image, label, target) for _ in range(10)], strict=True)
    assert apart[-1] > 1.2 * apart[0]
    assert agreement[-1] <= agreement[0]
    together = [method.features_step(target).item() for _ in range(10)]
    assert together[-1] < 0.9 * together[0]


def test_the_temperature_flattens_the_probabilities(generator):
    target = batch(generator)["target"]["image"]
    values = [steps(temperature=t).features_step(target).item() for t in (0.1, 1.0)]
    assert values[0] < 0.3 * values[1]


def test_the_features_step_is_repeated_as_often_as_asked(generator, monkeypatch):
    method, calls = steps(num_feature_steps=3), []
    monkeypatch.setattr(method, "features_step", lambda target: calls.append(target) or torch.zeros(()))
    method(ENGINE, batch(generator))
    assert len(calls) == 3


def test_the_warm_up_trains_the_heads_without_the_target(generator):
    method, data = steps(warmup_epochs=1), batch(generator)
    other = steps(warmup_epochs=1)
    assert "minimized" not in method(ENGINE, data)
    other(ENGINE, {**data, "target": {"image": torch.zeros_like(data["target"]["image"])}})
    torch.testing.assert_close(snapshot(method), snapshot(other))


def test_impossible_settings_are_refused():
    with pytest.raises(ValueError, match="temperature > 0"):
        DiscrepancySettings(temperature=0.0)


def test_an_untrained_second_head_may_not_vote():
    network = DisplacementClassifier(num_test_heads=2)
    with pytest.raises(ValueError, match="num_test_heads: expected 1 with the discrepancy none"):
        ClassifierDiscrepancySteps(network, ClassifierDiscrepancy("none"), {})


@pytest.mark.parametrize(("max_epochs", "warns"), [(2, True), (3, False)])
def test_a_warm_up_that_fills_the_training_is_named(max_epochs, warns, caplog):
    settings = DiscrepancySettings(warmup_epochs=2)
    ClassifierDiscrepancySteps(DisplacementClassifier(), ClassifierDiscrepancy("l1"), {}, settings, max_epochs)
    assert ("the warm-up of 2 epochs fills all 2 of the training" in caplog.text) == warns
