import os
import zipfile

from common.packaging.archive import write_zip


def test_entries_are_sorted_with_fixed_time_and_permissions(tmp_path):
    write_zip(tmp_path / "a.zip", {"x/b": b"1", "x/a": b"22"})
    entries = zipfile.ZipFile(tmp_path / "a.zip").infolist()
    assert [(entry.filename, entry.file_size) for entry in entries] == [("x/a", 2), ("x/b", 1)]
    assert {(entry.date_time, entry.external_attr) for entry in entries} == {((1980, 1, 1, 0, 0, 0), 0o100644 << 16)}


def test_bytes_do_not_depend_on_umask_or_order(tmp_path):
    write_zip(tmp_path / "a.zip", {"x": b"1", "y": b"2"})
    old = os.umask(0o077)
    try:
        write_zip(tmp_path / "b.zip", {"y": b"2", "x": b"1"})
    finally:
        os.umask(old)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
