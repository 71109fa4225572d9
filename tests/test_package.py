"""What the package asks for, imports and offers: dependencies, extras, commands, public names."""

import importlib
import inspect
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import ranet_jax
from ranet_jax.errors import EXTRAS

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

# Stands in for an installation without extras: the modules cannot be found.
BLOCKER = """
import sys


class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in BLOCKED:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


sys.meta_path.insert(0, Blocker())
"""


def run(program, *, blocked=()):
    """Runs a program in a process of its own, in which some modules cannot be imported."""
    program = f"BLOCKED = {list(blocked)}\n{BLOCKER}\n{program}"
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, timeout=300
    )


def requirements(path):
    lines = [line.partition("#")[0].strip() for line in path.read_text().splitlines()]
    return [line for line in lines if line]


def test_requirements_are_those_of_the_package_and_of_training():
    declared = PROJECT["dependencies"] + PROJECT["optional-dependencies"]["train"]
    assert sorted(requirements(ROOT / "requirements.txt")) == sorted(declared)


def test_every_requirement_has_its_reason():
    for line in (ROOT / "requirements.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            requirement, _, reason = line.partition("#")
            assert len(reason.split()) >= 2, requirement


def test_jax_that_computes_wrong_sums_is_excluded():
    for name in ("jax", "jaxlib"):
        (line,) = [one for one in PROJECT["dependencies"] if re.match(rf"{name}\b", one)]
        assert "!=0.10.2" in line


@pytest.mark.parametrize(("module", "extra"), EXTRAS.items())
def test_extra_that_is_named_brings_the_module(module, extra):
    names = {"skimage": "scikit-image", "tensorflow_datasets": "tensorflow-datasets"}
    wanted = re.compile(rf"{names.get(module, module)}\b")
    assert any(wanted.match(one) for one in PROJECT["optional-dependencies"][extra])
    assert not any(wanted.match(one) for one in PROJECT["dependencies"])


def test_import_of_the_package_imports_nothing_heavy():
    heavy = ["jax", "flax", "numpy", "cv2", "av", "orbax"]
    result = run(f"import ranet_jax, sys; print([x for x in {heavy} if x in sys.modules])")
    assert (result.stdout, result.stderr) == ("[]\n", "")


def test_readers_need_no_jax():
    result = run("from ranet_jax import open_video, read_frame, read_mask", blocked=["jax"])
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize("name", ranet_jax.__all__)
def test_public_name_is_the_one_that_its_module_defines(name):
    found = getattr(ranet_jax, name)
    module = inspect.getmodule(found)
    assert module.__name__.startswith("ranet_jax.")
    assert found is getattr(module, name)
    assert name in dir(ranet_jax)
    assert inspect.getdoc(found)


def test_no_other_name_is_made_up():
    with pytest.raises(AttributeError, match="segmenters"):
        _ = ranet_jax.segmenters


def test_segmenting_and_scoring_need_no_extra():
    program = """
import ranet_jax.app.__main__, ranet_jax.convert.__main__, ranet_jax.evaluation.__main__
import ranet_jax.demo.__main__, ranet_jax.export.__main__, ranet_jax.segment.__main__
import ranet_jax.segmenter, ranet_jax.tables.__main__
from ranet_jax import Segmenter, load_network, open_video, read_frame, read_mask
print("fine")
"""
    result = run(program, blocked=EXTRAS)
    assert (result.stdout, result.stderr) == ("fine\n", "")


@pytest.mark.parametrize(
    ("command", "arguments", "extra"),
    [
        ("training", ["--config", "configs/demo.py"], "train"),
        ("data.prepare", [], "train"),
        (
            "figures",
            ["maps", "--checkpoint", "x", "--split", "davis16-val", "--sequence", "x"],
            "figures",
        ),
    ],
)
def test_missing_extra_is_one_line_that_says_what_to_install(command, arguments, extra):
    program = f"""
import runpy
sys.argv = {[command, *arguments]}
runpy.run_module("ranet_jax.{command}", run_name="__main__", alter_sys=True)
"""
    result = run(program, blocked=EXTRAS)
    assert result.returncode == 2, result.stderr
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith("error: this needs ")
    assert f"pip install -e '.[{extra}]'" in result.stderr


def test_the_version_of_the_citation():
    text = (ROOT / "CITATION.cff").read_text()
    assert f"version: {ranet_jax.__version__}\n" in text


@pytest.mark.parametrize("recipe", ["compact.py", "legs/leg_06_fine.py"])
def test_the_script_that_trains_finds_recipes_on_which_others_build(tmp_path, recipe):
    """A script, unlike `python train.py`, has no folder to import from."""
    program = f"""
sys.path[:] = [place for place in sys.path if place not in ("", {str(ROOT)!r})]
sys.path.append({str(tmp_path)!r})
sys.argv = ["ranet-train", "--config", {str(ROOT / "configs" / recipe)!r}]
from ranet_jax.training.__main__ import command
command()
"""
    (tmp_path / "ranet_jax").symlink_to(ROOT / "ranet_jax")
    done = subprocess.run(
        [sys.executable, "-c", "import sys" + program],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ") and "has no prepared duts-tr" in line
    assert re.search("; init_from \\S+ does not exist", line), (
        "all that is missing is named at once"
    )


@pytest.mark.parametrize(("script", "target"), PROJECT["scripts"].items())
def test_console_script_has_its_function(script, target):
    module, _, name = target.partition(":")
    assert callable(getattr(importlib.import_module(module), name))
    result = run(f"sys.argv = [{script!r}, '--help']\nfrom {module} import {name}\n{name}()")
    assert script == "ranet-convert" or re.search(r"--(checkpoint|config)\b", result.stdout)
    assert script.removeprefix("ranet-") in result.stdout.lower()
    assert result.stderr == ""
