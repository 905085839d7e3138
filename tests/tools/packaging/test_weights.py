import json

import pytest
import torch

from common.tools.packaging.contents import PackageError
from common.tools.packaging.weights import check_weights, record_weights


def change_weights(bundle):
    torch.save({"layer.weight": torch.zeros(3, 2, 1, 1)}, bundle / "models" / "model.pt")


def test_recorded_weights_pass_and_changed_ones_do_not(tiny):
    record_weights(tiny.bundle)
    check_weights(tiny.bundle)
    change_weights(tiny.bundle)
    with pytest.raises(PackageError, match=r"^tiny: models/model.pt differs from the weights of version 1.2.0; raise"):
        check_weights(tiny.bundle)


def test_a_second_file_of_weights_has_a_record_of_its_own(tiny):
    record_weights(tiny.bundle)
    second = tiny.bundle / "models" / "second.pt"
    torch.save({"layer.weight": torch.ones(3, 2, 1, 1)}, second)
    with pytest.raises(PackageError, match=r"^tiny: second_sha256 of metadata.json lacks version 1.2.0; .* --record"):
        check_weights(tiny.bundle)
    record_weights(tiny.bundle)
    check_weights(tiny.bundle)
    torch.save({"layer.weight": torch.zeros(3, 2, 1, 1)}, second)
    with pytest.raises(PackageError, match=r"^tiny: models/second.pt differs from the weights of version 1.2.0; raise"):
        check_weights(tiny.bundle)


def test_changed_weights_cannot_be_recorded_for_an_old_version(tiny):
    record_weights(tiny.bundle)
    change_weights(tiny.bundle)
    with pytest.raises(PackageError, match=r"differs from the weights of version 1.2.0"):
        record_weights(tiny.bundle)


def test_new_version_keeps_the_record_of_the_old_one(tiny, metadata):
    record_weights(tiny.bundle)
    metadata(version="1.3.0")
    change_weights(tiny.bundle)
    record_weights(tiny.bundle)
    recorded = json.loads((tiny.bundle / "configs" / "metadata.json").read_text(encoding="utf-8"))["model_sha256"]
    assert list(recorded) == ["1.2.0", "1.3.0"]
    assert recorded["1.2.0"] != recorded["1.3.0"]


def test_recording_twice_changes_nothing(tiny):
    record_weights(tiny.bundle)
    before = (tiny.bundle / "configs" / "metadata.json").read_bytes()
    record_weights(tiny.bundle)
    assert (tiny.bundle / "configs" / "metadata.json").read_bytes() == before


def test_version_without_a_record_is_named_with_the_command_that_adds_it(tiny):
    with pytest.raises(PackageError, match=r"lacks version 1.2.0; python scripts/package_bundle.py tiny --record"):
        check_weights(tiny.bundle)


def test_missing_weights_are_named(tiny):
    (tiny.bundle / "models" / "model.pt").unlink()
    with pytest.raises(PackageError, match=r"tiny: expected the file models/model.pt, found none"):
        record_weights(tiny.bundle)
