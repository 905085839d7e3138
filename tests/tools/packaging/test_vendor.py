from pathlib import Path

from common.tools.packaging.vendor import import_closure, imported_names


def test_closure_follows_relative_imports_and_leaves_the_rest(tiny):
    closure = import_closure(tiny.source, ["common.networks.tiny.TinyNetwork"])
    assert list(closure) == [
        "common",
        "common.fields",
        "common.fields.sampling",
        "common.networks",
        "common.networks.tiny",
    ]


def test_closure_follows_imports_in_functions_of_modules_and_of_packages(tiny):
    files = {
        "common/a.py": "def f():\n    from . import b\n",
        "common/b/__init__.py": "from .c import x\n",
        "common/b/c.py": "import common.fields.sampling\nx = 1\n",
    }
    tiny.write(tiny.source.parent, files)
    closure = import_closure(tiny.source, ["common.a"])
    assert list(closure) == ["common", "common.a", "common.b", "common.b.c", "common.fields", "common.fields.sampling"]


def test_closure_ends_when_modules_import_each_other(tiny):
    tiny.write(tiny.source.parent, {"common/a.py": "from .b import f\n", "common/b.py": "from .a import g\n"})
    assert list(import_closure(tiny.source, ["common.a"])) == ["common", "common.a", "common.b"]


def test_closure_of_another_package_is_empty():
    assert import_closure(Path("common"), ["torch.nn.Conv2d", "Dataset", "commonplace.thing"]) == {}


def test_relative_import_climbs_one_package_per_dot():
    found = imported_names("from . import a\nfrom .a import b\nfrom ..c import d as e", "one.two")
    assert found == {"one.two.a", "one.two.a.b", "one.c.d"}
