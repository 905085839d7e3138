"""Names that become parts of paths."""

import pytest

from apps.monailabel.refusal import RefusalError, checked_name


@pytest.mark.parametrize("name", ["a", "hippocampus_001", "1.2.840.10008", "_x-y.z"])
def test_plain_names_pass(name):
    assert checked_name("image", name) == name


@pytest.mark.parametrize(
    "name", ["", None, "..", "../a", "a/b", "/etc/passwd", "a b", "a\n", ".a", "-a", 3, "x" * 201, "a\0"]
)
def test_anything_else_is_refused_with_one_line(name):
    with pytest.raises(RefusalError) as error:
        checked_name("image", name)
    assert error.value.status == 422
    assert "\n" not in str(error.value)
