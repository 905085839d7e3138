"""Every command printed in a README exists, with flags that mean something."""

import ast
import importlib.util
import inspect
import re
import shlex
import sys
import tomllib
from functools import partial
from pathlib import Path

import pytest
from monai.bundle import ConfigParser
from monai.bundle import run as bundle_run

from common.commands.cli import COMMANDS
from common.registration.steps import Refinement

ROOT = Path(__file__).parents[1]
PLACES = ("docs/*.md", "bundles/*/docs/*.md", "apps/*/README.md")
PAGES = [ROOT / "README.md", *(path for place in PLACES for path in sorted(ROOT.glob(place)))]
READMES = [path for path in PAGES if path.is_file()]
OPEN_SCRIPTS = {"compare"}  # take further options, which are known; those of others name files
WORKFLOW_FLAGS = {"workflow_type", "workflow_name", "properties_path"}
RUN_FLAGS = {name for name in inspect.signature(bundle_run).parameters if name != "override"} | WORKFLOW_FLAGS


def commands(text):
    """Words of every command in the bash blocks of a Markdown text."""
    for block in re.findall(r"```(?:bash|sh|shell)\n(.*?)```", text, flags=re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            for part in re.split(r"&&|;|\|", re.sub(r"(^|\s)#.*", "", line)):
                words = shlex.split(part.removeprefix("$ "))
                while words and re.fullmatch(r"\w+=.*", words[0]):
                    words = words[1:]
                if words:
                    yield words


def flags(words):
    """Flag → value of the words after a command; a flag without a value stands for True."""
    found, name = {}, None
    for word in words:
        if word.startswith("--"):
            name, _, value = word[2:].partition("=")
            found[name] = value or True
        elif name is not None and found[name] is True:
            found[name] = word
    return found


def problems(words, root):
    """What is wrong with one command, as a list of sentences."""
    if words[:2] == ["python", "-m"] or words[0] == "torchrun":
        if "monai.bundle" in words:
            return bundle_problems(words[words.index("monai.bundle") + 1 :], root)
        return []
    if words[0] == "python" and len(words) > 1 and words[1].endswith(".py"):
        return script_problems(words[1:], root)
    if words[0] == "registration":
        if len(words) < 2 or words[1] not in (*COMMANDS, "--help", "--version"):
            return [f"registration has no command {words[1:2]}"]
        return target_problems(COMMANDS[words[1]].load(), words[1:], root) if words[1] in COMMANDS else []
    if words[:2] == ["pip", "install"]:
        return extra_problems(words[2:], root)
    return []


def bundle_problems(words, root):
    if words[0] != "run":
        return []
    found = flags(words[1:])
    if "config_file" not in found:
        return ["monai.bundle run without --config_file"]
    text = found["config_file"]
    files = [Path(root, name) for name in (ast.literal_eval(text) if text.startswith("[") else text.split(","))]
    missing = [str(path) for path in files if not path.is_file()]
    if missing:
        return [f"no file {name}" for name in missing]
    config = ConfigParser.load_config_files([str(path) for path in files])
    parser = ConfigParser(config)
    run_id = words[1] if len(words) > 1 and not words[1].startswith("--") else found.get("run_id", "run")
    unknown = [name for name in found if name not in RUN_FLAGS and name not in parser]
    wrong = [f"no entry {name} in {[path.name for path in files]}" for name in unknown]
    return wrong + ([] if run_id in parser else [f"nothing to run called {run_id}"])


def script_problems(words, root):
    path = Path(root, words[0])
    if not path.is_file():
        return [f"no file {words[0]}"]
    return target_problems(fire_target(path), words, root)


def target_problems(target, words, root):
    """What is wrong with the words after the name of a script or a command."""
    positional = [word for word in words[1:] if not word.startswith("--")]
    if isinstance(target, dict):
        if not positional or positional[0] not in target:
            return [f"{words[0]} has no command {positional[:1]}, it has {sorted(target)}"]
        target = target[positional[0]]
    names = inspect.signature(target).parameters
    if any(item.kind is item.VAR_KEYWORD for item in names.values()):
        if Path(words[0]).stem not in OPEN_SCRIPTS:
            return []
        names = {*names, *further_flags(flags(words[1:]), root)}
    return [f"{words[0]} has no flag --{name}" for name in flags(words[1:]) if name.replace("-", "_") not in names]


def further_flags(found, root):
    """What compare.py takes beside its own options: entries of a bundle's inference.json, settings of a refinement."""
    ours = {"effort", "refine", "search"} & found.keys()
    names = {*inspect.signature(Refinement).parameters, "affine"} if ours else set()
    if "bundle" in found:
        config = ConfigParser.load_config_file(Path(root, found["bundle"], "configs", "inference.json"))
        names |= set() if names else set(config)
    return names


def fire_target(path):
    """The function, or dictionary of functions, that a script hands to its command line."""
    spec = importlib.util.spec_from_file_location(f"script_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    if isinstance(getattr(module, "main", None), partial):
        return COMMANDS[module.main.args[0]].load()
    calls = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    (call,) = [node for node in calls if ast.unparse(node.func) in ("run_command", "fire.Fire")]
    return eval(ast.unparse(call.args[0]), vars(module))


def extra_problems(words, root):
    extras = tomllib.loads(Path(root, "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    named = [name for word in words for name in re.findall(r"^\.\[(.*)\]$", word)]
    used = [extra for names in named for extra in names.split(",")]
    return [f"pyproject.toml has no extra {extra}" for extra in used if extra not in extras]


@pytest.mark.parametrize("readme", READMES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_command_exists(readme):
    found = list(commands(readme.read_text(encoding="utf-8")))
    assert found
    assert {" ".join(words): problems(words, ROOT) for words in found if problems(words, ROOT)} == {}


def runs_without_one_training(text):
    """Weights of runs that a page names, but for those of exactly one training above them on the page."""
    trained, wrong = [], []
    for words in commands(text):
        found = flags(words)
        named = re.fullmatch(r"bundles/(\w+)/runs/(\w+)/model\.pt", str(found.get("ckpt_path", "")))
        if named and trained.count((named[1], named[2])) != 1:
            wrong.append(named[0])
        bundle = re.search(r"bundles/(\w+)/configs/train\.json", str(found.get("config_file", "")))
        if "training" in words and bundle:
            trained.append((bundle[1], found.get("run_name", "train")))
    return wrong


@pytest.mark.parametrize("page", ["README.md", "docs/training.md"])
def test_what_is_scored_and_used_is_what_was_trained(page):
    assert runs_without_one_training((ROOT / page).read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(("names", "wrong"), [(["train"], 0), (["train", "train"], 1), (["other"], 1)])
def test_weights_of_another_run_are_found(names, wrong):
    lines = [
        f"python -m monai.bundle run training --config_file bundles/x/configs/train.json --run_name {n}" for n in names
    ]
    lines.append("python tool.py --ckpt_path bundles/x/runs/train/model.pt")
    assert len(runs_without_one_training("```bash\n" + "\n".join(lines) + "\n```")) == wrong


@pytest.mark.parametrize("readme", READMES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_linked_file_exists(readme):
    links = re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", readme.read_text(encoding="utf-8"))
    assert [link for link in links if not (readme.parent / link).exists()] == []


def test_there_is_a_readme():
    assert ROOT / "README.md" in READMES


@pytest.fixture
def project(tmp_path):
    """A project with one config and one script, for planted errors."""
    (tmp_path / "train.json").write_text('{"max_epochs": 1, "train": {"loader": {"workers": 0}}, "training": []}')
    (tmp_path / "tool.py").write_text(
        "import fire\n\n\ndef tool(image, level=1): ...\n\n\nif 0:\n    fire.Fire(tool)\n"
    )
    (tmp_path / "pyproject.toml").write_text('[project.optional-dependencies]\nsample = ["x"]\n')
    return tmp_path


@pytest.mark.parametrize(
    "line",
    [
        "python -m monai.bundle run training --config_file train.json --max_epochs 2",
        "python -m monai.bundle run training --config_file \"['train.json']\" --train#loader#workers=2",
        "OMP_NUM_THREADS=1 torchrun --nproc_per_node=2 -m monai.bundle run training --config_file train.json",
        "python tool.py image.nii.gz --level 2  # a comment",
        'pip install -e ".[sample]" && python -m monai.bundle run training --config_file train.json',
        "pytest",
    ],
)
def test_good_command_passes(project, line):
    assert [problems(words, project) for words in commands(f"```bash\n{line}\n```")] != []
    assert not any(problems(words, project) for words in commands(f"```bash\n{line}\n```"))


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("python -m monai.bundle run training --config_file train.json --max_epoch 2", "no entry max_epoch"),
        ("python -m monai.bundle run training --config_file train.json --train#loader#worker 2", "no entry train#"),
        ("python -m monai.bundle run trianing --config_file train.json", "nothing to run called trianing"),
        ("python -m monai.bundle run training \\\n  --config_file evaluate.json", "no file"),
        ("python tool.py image.nii.gz --levels 2", "tool.py has no flag --levels"),
        ("python tools.py", "no file tools.py"),
        ('cd x && pip install -e ".[samples]"', "no extra samples"),
    ],
)
def test_planted_error_is_found(project, line, problem):
    found = [text for words in commands(f"```bash\n{line}\n```") for text in problems(words, project)]
    assert len(found) == 1
    assert problem in found[0]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("--tool ants_syn --num_pair 5", "--num_pair"),
        ("--tool x --bundle bundles/wasserstein_voxelmorph --num_pases 2", "--num_pases"),
        ("--tool x --refine 50 --wieght 0.5", "--wieght"),
        ("--tool x --bundle bundles/wasserstein_voxelmorph --num_passes 2", None),
        ("--tool x --search 2 --refine 50 --weight 0.5 --affine rigid", None),
        ("--tool x --effort normal --similarity mind", None),
    ],
)
def test_options_of_the_comparison_are_known(line, problem):
    found = script_problems(["scripts/compare.py", "data", *line.split()], ROOT)
    assert found == ([f"scripts/compare.py has no flag {problem}"] if problem else [])
