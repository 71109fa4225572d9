"""The pages are true: their commands have the flags, recipes and extras they name, their links lead
somewhere, and the files they speak of exist. Nothing is run but the parsing of flags."""

import argparse
import ast
import importlib
import importlib.util
import re
import runpy
import shlex
import sys
import tomllib
from itertools import pairwise
from pathlib import Path

import pytest

from tests.conftest import ROOT

PAGES = sorted(
    path
    for pattern in (
        "README.md",
        "CONTRIBUTING.md",
        "docs/*.md",
        "examples/*.md",
        "ranet_jax/**/*.md",
        "tests/golden/*.md",
    )
    for path in ROOT.glob(pattern)
)
CODE = [
    path
    for folder in ("configs", "ranet_jax", "benchmarks", "examples")
    for path in sorted(ROOT.glob(f"{folder}/**/*.py"))
] + [ROOT / "evaluate.py", ROOT / "train.py"]
PROGRAM = r"python3? (?:-m )?(?:ranet_jax|benchmarks|examples|evaluate\.py|train\.py)"
MODULES = [*CODE, *ROOT.glob("tests/**/*.py")]
FOLDERS = "benchmarks|configs|docs|examples|ranet_jax|tests"
PLACEHOLDER = re.compile(r"[A-Z]{2,}|\.\.\.")
"""A word that stands for one of the reader's own, such as FILE, or for more of them."""


def find_commands(path: Path) -> list[str]:
    """The commands on a page, in blocks and between backticks; in code, those of its docstring."""
    text = path.read_text()
    if path.suffix == ".py":
        told = ast.get_docstring(ast.parse(text)) or ""
        lines = re.findall(rf"(?:^ {{4}}|: |, or )({PROGRAM}.*)$", _join(told), re.MULTILINE)
        return [re.split(r" \(|, or |\.$", line)[0] for line in lines]
    text = _join(text)
    blocks = re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    beside = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    lines += [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", beside)]
    return [line for line in lines if re.match(rf"{PROGRAM}|make |pip install ", line)]


def _join(text: str) -> str:
    """Puts commands that go on in a next line into one."""
    return re.sub(r"\\\n *", "", text)


COMMANDS = sorted(
    {
        (path.relative_to(ROOT).as_posix(), command)
        for path in [*PAGES, *CODE]
        for command in find_commands(path)
    }
)


class ParsedError(Exception):
    """Raised in place of the work, when the flags of a command were found good."""


def parse_program(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets a program read its flags, and stops it then."""
    parse_args = argparse.ArgumentParser.parse_args

    def stop(*args, **settings):
        parse_args(*args, **settings)
        raise ParsedError

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", stop)
    monkeypatch.setattr(sys, "argv", words)
    if words[0].startswith("examples"):
        assert (ROOT / words[0]).exists() or importlib.util.find_spec(words[0])
        return
    if words[0] == "evaluate.py":
        words[0] = "ranet_jax.evaluation"
    module = importlib.import_module(words[0])
    if hasattr(module, "__path__"):
        module = importlib.import_module(f"{words[0]}.__main__")
    if words[1:]:  # else the page speaks of the program
        with pytest.raises(SystemExit if "--help" in words else ParsedError):
            module.main()


def parse_recipe(words: list[str]) -> None:
    """Reads the recipe of a command of `train.py`, and looks for the fields that it sets."""
    flags = dict(pairwise(words))
    recipe, _, variant = flags["--config"].partition(":")
    if PLACEHOLDER.search(recipe):
        return
    get_config = runpy.run_path(str(ROOT / recipe))["get_config"]
    config = get_config() if not variant or PLACEHOLDER.search(variant) else get_config(variant)
    for word in words:
        if word.startswith("--config."):
            *groups, name = word.removeprefix("--config.").partition("=")[0].split(".")
            section = config
            for group in groups:
                section = section[group]
            assert name in section, word
        else:
            known = r"--(config|workdir|processes|process|coordinator)"
            assert not word.startswith("--") or re.fullmatch(known, word), word


def test_commands_are_found():
    assert len(COMMANDS) > 80
    assert ("README.md", "make test     # style, types and tests") in COMMANDS


@pytest.mark.parametrize(("page", "command"), COMMANDS)
def test_a_command_has_the_flags_it_names(page, command, monkeypatch):
    command = re.sub(r"\[(--[^]|]*)(\|[^]]*)?\]", r"\1", command)  # [--flag VALUE] in docstrings
    command = re.split(r"\.?  +#| # |, seconds", command)[0].rstrip(" .,;")
    words = [word for word in shlex.split(command) if word not in ("...", "KIND")]
    if words[0] == "make":
        targets = re.findall(r"^([\w./-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        assert words[1] in targets
    elif words[0] == "pip":
        extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        for extra in re.findall(r"\[(.*)\]", command):
            assert set(extra.split(",")) <= extras["optional-dependencies"].keys()
    elif words[1] == "train.py":
        parse_recipe(words[1:])
    else:
        parse_program(words[1 + (words[1] == "-m") :], monkeypatch)


def slug(heading: str) -> str:
    """The anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_links_lead_somewhere(page):
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#\s]*)#?([^)\s]*)\)", page.read_text()):
        path = (page.parent / target) if target else page
        assert path.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", path.read_text(), re.MULTILINE)
            assert anchor in map(slug, headings), f"{target}#{anchor}"


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_files_that_are_spoken_of_exist(page):
    text = page.read_text()
    for name in re.findall(rf"`((?:{FOLDERS})/[\w./-]+)`", text):
        assert PLACEHOLDER.search(name) or (ROOT / name).exists(), name
    for name in re.findall(r"`([\w./-]+\.py)(?::\w+)?`", text):
        named = [path for path in MODULES if path.as_posix().endswith(f"/{name}")]
        assert PLACEHOLDER.search(name) or named, name
