import subprocess
import sys

import pytest
import torch

from common.tools.results.peak_memory import peak_memory_mb


def test_peak_is_what_was_held_at_once_not_in_all():
    def two_after_another():
        for _ in range(2):
            block = torch.ones(20_000_000)  # 80 MB
            del block

    peak = peak_memory_mb(two_after_another)
    if peak is None:
        pytest.skip("this system does not count memory")
    assert peak < 120


def test_function_is_called_where_the_system_does_not_count(monkeypatch, tmp_path):
    monkeypatch.setattr("common.tools.results.peak_memory.CLEAR", tmp_path / "missing" / "clear_refs")
    called = []
    assert peak_memory_mb(lambda: called.append(1)) is None
    assert called == [1]


def test_growth_in_a_process_of_its_own_is_what_was_allocated():
    code = "from common.tools.results.peak_memory import peak_memory_mb as peak; print(peak(lambda: b'x' * 50_000_000))"
    printed = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip()
    if printed == "None":
        pytest.skip("this system does not count memory")
    assert 45 < float(printed) < 60
