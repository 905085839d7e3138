"""What functions get of the words of a command."""

import inspect
import sys
import warnings

import pytest

from common.tools.command_line import run_command
from common.tools.typed_words import for_fire

NAMES = [
    "2024_01_05",
    "1.10",
    "0.50",
    "run#1",
    "1e3",
    "0x10",
    "a,b",
    "None",
    "True",
    "[1]",
    "(a)",
    "{a: b}",
    "'a'",
    '"',
]
NAMES += ["001", "a b", "~/x", "a=b", "a\\b", "1_000", "ü", "-0.5", "#", "$x", "b'a'", "f'{x}'", "1+1", "a\nb"]


def options(
    output_dir: str = "",
    affine: bool | str = False,
    count: int = 1,
    weight: float = 0.5,
    is_on: bool = True,
    ckpt_path: str | None = None,
    settings: dict | None = None,
    untyped="",
):
    return [output_dir, affine, count, weight, is_on, ckpt_path, settings, untyped]


def several(*runs: str, **more):
    return [*runs, more]


@pytest.fixture
def call(monkeypatch):
    def run(function, *words):
        found = []

        def noted(*values, **named):
            found.extend(function(*values, **named))

        noted.__signature__ = inspect.signature(function)
        monkeypatch.setattr(sys, "argv", ["tool.py", *words])
        monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
        run_command(noted)
        return found

    return run


@pytest.mark.parametrize("name", NAMES)
def test_text_stays_what_was_typed(name, call):
    for words in (["--output_dir", name], [f"--output_dir={name}"], [f"-output_dir={name}"], [name]):
        assert call(options, *words)[0] == name
    assert call(options, "--ckpt_path", name)[5] == name
    assert call(options, "--untyped", name)[7] == name
    assert call(several, name, "x")[:2] == [name, "x"]


def test_numbers_switches_and_other_types_arrive_as_such(call):
    words = ["--count", "3", "--weight", "1e-3", "--nois_on", "--settings", "{'a': 1}", "--affine", "rigid"]
    assert call(options, *words) == ["", "rigid", 3, 0.001, False, None, {"a": 1}, ""]
    assert call(options, "--affine", "--is_on", "False", "--weight", "2")[1:5] == [True, 1, 2, False]
    assert call(options, "--affine", "True")[1] is True
    assert call(several, "--more", "2") == [{"more": 2}]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--count", "1.5"], "--count: expected a whole number, got '1.5'"),
        (["--count", "many"], "--count: expected a whole number, got 'many'"),
        (["--count"], "--count: expected a whole number, got no value"),
        (["--weight", "heavy"], "--weight: expected a number, got 'heavy'"),
        (["--weight", "nan"], "--weight: expected a number, got 'nan'"),
        (["--output_dir"], "--output_dir: expected a value, got no value"),
    ],
)
def test_a_word_that_its_option_cannot_take_is_named(words, message, call, capsys):
    with pytest.raises(SystemExit) as stopped:
        call(options, *words)
    assert stopped.value.code == 2
    assert capsys.readouterr().err == f"error: {message}\n"


def test_a_warning_takes_one_line(call, capsys):
    def warn():
        warnings.warn("a.nii: it lies\n  elsewhere", UserWarning, stacklevel=1)
        return []

    call(warn)
    assert capsys.readouterr().err == "warning: a.nii: it lies elsewhere\n"


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:121] . DefaultCPUAllocator: can't allocate memory: you tried to"
            " allocate 80000000000 bytes. Error code 12 (Cannot allocate memory)\nframe #0"
        ),
        MemoryError("Unable to allocate 3.0 GiB for an array"),
        MemoryError(),
    ],
)
def test_memory_that_does_not_suffice_takes_one_line(error, call, capsys):
    def fail():
        raise error

    with pytest.raises(SystemExit) as stopped:
        call(fail)
    assert stopped.value.code == 1
    line = capsys.readouterr().err
    assert line.startswith("error: not enough memory: ")
    assert line.count("\n") == 1


def test_numbers_with_commas_stay_as_they_are_where_a_tuple_is_meant_too():
    option = inspect.Parameter("seeds", inspect.Parameter.KEYWORD_ONLY, annotation=int | tuple)
    assert [for_fire(option, word) for word in ("3", "0,1")] == ["3", "0,1"]
