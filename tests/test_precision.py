import logging

import pytest
import torch

from common import precision as mixed_precision
from common.precision import bfloat16_autocast, multiplies_bfloat16


@pytest.mark.parametrize(("native", "dtype"), [(True, torch.bfloat16), (False, torch.float32)])
def test_a_network_runs_in_bfloat16_only_where_the_device_multiplies_it(monkeypatch, native, dtype):
    monkeypatch.setattr(mixed_precision, "multiplies_bfloat16", lambda device_type: native)
    with bfloat16_autocast("cpu", enabled=True):
        assert torch.nn.Linear(2, 2)(torch.rand(1, 2)).dtype == dtype


def test_without_being_asked_for_it_is_float32(monkeypatch):
    monkeypatch.setattr(mixed_precision, "multiplies_bfloat16", lambda device_type: True)
    with bfloat16_autocast("cpu", enabled=False):
        assert torch.nn.Linear(2, 2)(torch.rand(1, 2)).dtype == torch.float32


def test_a_cpu_without_it_is_named_once(monkeypatch, caplog):
    monkeypatch.setattr(mixed_precision, "_cpu_multiplies_bfloat16", lambda: False)
    multiplies_bfloat16.cache_clear()
    try:
        with caplog.at_level(logging.WARNING):
            assert [multiplies_bfloat16("cpu"), multiplies_bfloat16("cpu")] == [False, False]
    finally:
        multiplies_bfloat16.cache_clear()  # of this machine again
    assert [record.message for record in caplog.records] == [
        "amp: this CPU has no bfloat16 convolutions, float32 is used instead."
    ]
