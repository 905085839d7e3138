"""Checksums of inputs that are more than one file."""

import hashlib

import pytest

from common.registration.checksum import content_sha256


def test_one_file_has_the_checksum_of_its_bytes(tmp_path):
    (tmp_path / "a.nii").write_bytes(b"voxels")
    (tmp_path / "b.nii").write_bytes(b"others")
    assert content_sha256(tmp_path / "a.nii") == hashlib.sha256(b"voxels").hexdigest()


@pytest.mark.parametrize(
    ("name", "other"), [("0.dcm", "1.dcm"), ("", "1.dcm"), ("a.mhd", "a.raw"), ("a.hdr", "a.img"), ("a.nhdr", "a.raw")]
)
def test_a_change_of_another_file_that_is_read_with_it_shows(name, other, tmp_path):
    for file in {name or "0.dcm", other}:
        (tmp_path / file).write_bytes(b"before")
    before = content_sha256(tmp_path / name)
    (tmp_path / other).write_bytes(b"after")
    assert content_sha256(tmp_path / name) != before
