"""Who may import whom: between the rooms of the package arrows go one way, down this list."""

import ast
import graphlib
from pathlib import Path

import pytest

from ranet_jax.weights import pytorch
from tests.conftest import ROOT

PACKAGE = ROOT / "ranet_jax"

RANKS = (
    ("errors", "frame_bar", "geometry", "huge_pages", "machine", "remarks"),
    ("files", "flag_parser", "slots"),
    ("media", "models"),
    ("data", "template_bank"),
    ("protocol",),
    ("trace_cache", "tracker", "weights"),
    ("compilation",),
    ("network_flags", "segmenter"),
    ("online_learning",),
    ("online_flags",),
    ("convert", "evaluation", "export", "segment"),
    ("demo", "tables"),
    ("app", "benchmark", "training"),
    ("figures",),
)
"""The rooms, folders and single files. A room imports those of the lines above its own; not those
of its own line, and none below."""


def read_modules(package: Path) -> dict[str, ast.Module]:
    """Every module of a package, parsed, by its dotted name; a folder's is that of its __init__."""
    return {
        ".".join(path.relative_to(package.parent).with_suffix("").parts).removesuffix(
            ".__init__"
        ): ast.parse(path.read_text())
        for path in sorted(package.rglob("*.py"))
    }


def imported_names(tree: ast.Module) -> set[str]:
    """All that a module imports, in functions too: "a.b" of `import a.b` and `from a import b`."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports are written out from the package's name on"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def find_arrows(package: Path) -> dict[str, set[str]]:
    """The modules of a package that each of its modules imports.

    The package's own face is left out: it names the homes of the public names, and to import the
    package for its version takes none of them.
    """
    modules = read_modules(package)
    arrows: dict[str, set[str]] = {}
    for module, tree in modules.items():
        arrows[module] = set()
        for name in imported_names(tree):
            while name and name not in modules:
                name = name.rpartition(".")[0]
            if package.name not in (name, module) and name not in ("", module):
                arrows[module].add(name)
    return arrows


def room_of(module: str) -> str:
    return module.split(".")[1]


def find_wrong_arrows(package: Path, ranks: tuple[tuple[str, ...], ...]) -> list[str]:
    """Arrows between rooms that do not go down the list, as "this imports that"."""
    rank_of = {room: rank for rank, rooms in enumerate(ranks) for room in rooms}
    return [
        f"{module} imports {other}"
        for module, others in find_arrows(package).items()
        for other in sorted(others)
        if room_of(module) != room_of(other) and rank_of[room_of(module)] <= rank_of[room_of(other)]
    ]


def test_arrows_between_rooms_go_one_way():
    assert find_wrong_arrows(PACKAGE, RANKS) == []


def test_every_room_has_its_place():
    rooms = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or path.is_dir()}
    listed = [room for rooms in RANKS for room in rooms]
    assert sorted(listed) == sorted(rooms - {"__init__", "__pycache__"})


def test_no_file_is_long():
    lengths = {path: len(path.read_text().splitlines()) for path in PACKAGE.rglob("*.py")}
    assert {path.name: length for path, length in lengths.items() if length > 300} == {}


def test_no_module_imports_itself_by_way_of_others():
    list(graphlib.TopologicalSorter(find_arrows(PACKAGE)).static_order())


def test_a_circle_is_found(tmp_path):
    """One between rooms that a function hides, and one within a room."""
    files = {
        "house/__init__.py": "from house.low import a",
        "house/low/__init__.py": "",
        "house/low/a.py": "def late():\n    from house.high import one",
        "house/high.py": "import house.low.a\none = 1",
        "house/low/b.py": "from house.low import c",
        "house/low/c.py": "from house.low.b import x",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    wrong = find_wrong_arrows(tmp_path / "house", (("low",), ("high",)))
    assert wrong == ["house.low.a imports house.high"]
    with pytest.raises(graphlib.CycleError):
        list(graphlib.TopologicalSorter(find_arrows(tmp_path / "house")).static_order())
    (tmp_path / "house/low/a.py").write_text("")
    assert find_wrong_arrows(tmp_path / "house", (("low",), ("high",))) == []
    with pytest.raises(graphlib.CycleError, match=r"house\.low\.[bc]"):
        list(graphlib.TopologicalSorter(find_arrows(tmp_path / "house")).static_order())


MODULES = read_modules(PACKAGE)


def who_imports(library: str) -> set[str]:
    """The modules that import a library, or a part of it."""
    return {
        module
        for module, tree in MODULES.items()
        if any(name.split(".")[0] == library for name in imported_names(tree))
    }


def test_the_network_needs_arrays_alone():
    """No recipes and no libraries of files; of the rooms below it, only geometry."""
    needed = {
        name.split(".")[0]
        for module, tree in MODULES.items()
        if module.startswith("ranet_jax.models.")
        for name in imported_names(tree)
    }
    arrays = {"jax", "flax", "numpy", "optax"}
    assert needed <= {"ranet_jax", "collections", "functools", "typing"} | arrays
    rooms = {
        room_of(other)
        for module, others in find_arrows(PACKAGE).items()
        if module.startswith("ranet_jax.models.")
        for other in others
    }
    assert rooms <= {"models", "geometry"}


def test_data_never_reaches_jax():
    """By no module that it imports, or that these import: its workers would start an own jax."""
    arrows, seen = find_arrows(PACKAGE), set()
    waiting = {module for module in MODULES if module.startswith("ranet_jax.data.")}
    while waiting:
        module = waiting.pop()
        seen.add(module)
        parts = module.split(".")
        folders = {".".join(parts[:depth]) for depth in range(2, len(parts))}
        waiting |= (arrows[module] | folders) - seen
    assert len(seen) > 15
    for library in ("jax", "flax", "optax", "orbax"):
        assert seen & who_imports(library) == set()


def test_nothing_imports_recipes():
    assert who_imports("configs") == who_imports("tests") == who_imports("examples") == set()


@pytest.mark.parametrize(
    ("library", "module"), [("orbax", "weights.storage"), ("torch", "weights.tensors")]
)
def test_one_module_knows_a_library(library, module):
    assert who_imports(library) == {f"ranet_jax.{module}"}


def test_one_module_spreads_over_devices():
    found = {
        module
        for module, tree in MODULES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute | ast.Name | ast.alias)
        and {"pmap", "shard_map"} & {getattr(node, name, None) for name in ("attr", "id", "name")}
    }
    assert found == {"ranet_jax.training.parallel"}


def test_one_module_knows_the_names_of_torch():
    modules = {name.split(".")[0] for name in pytorch.HEAD} | {"base_model", "downsample", "module"}
    statistics = ("running_mean", "running_var", "num_batches_tracked")
    beginnings = (*(f"{name}." for name in modules), *statistics)
    found = {
        module
        for module, tree in MODULES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        # Names stand at the beginning or end of a text; a docstring may speak of them.
        if node.value.startswith(beginnings) or node.value.endswith(statistics)
    }
    assert found == {"ranet_jax.weights.pytorch"}
