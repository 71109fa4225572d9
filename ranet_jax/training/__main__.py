"""The flags of `train.py`."""

import re
import sys
import traceback
from pathlib import Path

from ranet_jax.errors import InputError, run_command
from ranet_jax.huge_pages import use_huge_pages


def command() -> None:
    """The entry point of `ranet-train`."""
    use_huge_pages()
    run_command(main)


def name_run(recipe: str) -> str:
    """Names the run of a recipe, configs/NAME.py, or of a variant, configs/NAME.py:VARIANT."""
    path, _, variant = recipe.partition(":")
    return "_".join(filter(None, (Path(path).stem, variant)))


def find_recipe(arguments: list[str]) -> str | None:
    """Finds the value of `--config` among the words of the command; None where there is none."""
    for word, after in zip(arguments, [*arguments[1:], ""], strict=True):
        name, is_given, value = word.partition("=")
        if name in ("--config", "-config"):
            return value if is_given else after
    return None


def find_recipe_file(arguments: list[str]) -> Path | None:
    """Finds the file of the recipe.

    Args:
        arguments: the words of the command.

    Returns:
        The file; None where none is given.

    Raises:
        InputError: it is no Python file.
    """
    recipe = find_recipe(arguments)
    if recipe is None:
        return None
    path = Path(recipe.partition(":")[0])
    if not (path.suffix == ".py" and path.is_file()):
        what = "is no recipe" if path.exists() else "does not exist"
        raise InputError(f"--config {recipe}: {path} {what}; give one such as configs/demo.py")
    return path


def find_root(recipe: Path) -> Path:
    """Finds the folder from which recipes are imported.

    They build on one another, as `configs.NAME` or `configs.legs.NAME`, which `ranet-train`, unlike
    `python train.py`, would not find by itself.

    Args:
        recipe: file of the recipe.

    Returns:
        The folder around all packages that the recipe lies in, at least around its own folder.
    """
    folder = recipe.resolve().parent
    while (folder.parent / "__init__.py").is_file():
        folder = folder.parent
    return folder.parent


def find_fault(error: BaseException, recipe: Path | None) -> tuple[BaseException, str]:
    """Finds where a recipe's own Python went wrong.

    Args:
        error: what was raised while recipe and flags were read.
        recipe: file of the recipe; None where none is given.

    Returns:
        The error as the recipe raised it, and file and line; where it was raised elsewhere, the
        given error and an empty text.
    """
    if isinstance(error, SyntaxError):
        return error, f"{error.filename}, line {error.lineno}"
    raised: BaseException | None = error
    while raised and recipe:  # ml_collections and absl raise others in its place
        for frame in reversed(traceback.extract_tb(raised.__traceback__)):
            file = Path(frame.filename)
            # A recipe may be built on another one that lies beside it.
            if file.suffix == ".py" and file.resolve().parent == recipe.resolve().parent:
                return raised, f"{file}, line {frame.lineno}"
        raised = raised.__cause__ or raised.__context__
    return error, ""


def explain(error: Exception, recipe: Path | None) -> str:
    """Says what is wrong with a recipe or its fields, in place of what absl and the recipe say."""
    fault, place = find_fault(error, recipe)
    if isinstance(fault, SyntaxError):
        return f"{place}: {fault.msg}; mend the recipe"
    text = " ".join(str(fault.args[0] if fault.args else "").split())
    start = place and f"{place}: "
    if match := re.search(r'Did you mean "(.+)" instead of "(.+)"', text):
        return f"{start}the recipe has no field {match[2]}; did you mean {match[1]}"
    name = text.strip("'\"")
    if isinstance(fault, (KeyError, AttributeError)) and name.isidentifier():
        return f"{start}the recipe has no field {name}; see configs/ for those there are"
    if place:
        said = text if " " in text else f"{type(fault).__name__} {text}"
        return f"{place}: {said}; mend the recipe"
    if "get_config() takes 0 positional arguments" in text:
        return "this recipe has no variants; leave the colon and what follows it out"
    if "must have a value other than None" in text:
        return "there is no recipe; give one, such as --config configs/demo.py"
    return f"{text} (recipes and their fields: configs/)"


def main() -> None:
    """The command; absl parses the flags, which grain's worker processes need as well."""
    # In here, so that `run_command` can say what is missing where only segmenting was installed.
    from absl import app, flags, logging
    from ml_collections import config_flags

    config = config_flags.DEFINE_config_file(
        "config", help_string="recipe, such as configs/demo.py"
    )
    work = flags.DEFINE_string("workdir", None, "folder of the run (default: runs/RECIPE)")
    coordinator = flags.DEFINE_string("coordinator", None, "host:port of process 0")
    process = flags.DEFINE_integer("process", 0, "number of this process")
    processes = flags.DEFINE_integer("processes", 1, "how many processes train together")

    def parse(arguments: list[str]) -> list[str]:
        """Parses flags and recipe; what is wrong with them becomes an `InputError`."""
        if recipe := find_recipe_file(arguments):
            sys.path.append(str(find_root(recipe)))
        try:
            rest = flags.FLAGS(arguments)
            list(config.value)  # a recipe that cannot be read complains only when it is used
        except InputError:
            raise
        except Exception as error:  # a recipe is Python, and may raise anything
            raise InputError(explain(error, recipe)) from None
        return rest

    def train_recipe() -> None:
        from ranet_jax.training import parallel

        parallel.start_processes(coordinator.value, process.value, processes.value)
        from ranet_jax.compilation import keep_compiled
        from ranet_jax.training.loop import train

        if processes.value == 1:  # jax keeps what the first process compiles, and others would wait
            keep_compiled()  # so that a run that goes on compiles less
        given = config_flags.get_config_filename(flags.FLAGS["config"])
        try:
            train(config.value, Path(work.value or f"runs/{name_run(given)}"))
        except SystemExit:  # stopped by a signal
            print("the same command goes on from there")
            raise

    # For --help, which shows the flags of the program's main file alone.
    for name in ("config", "workdir", "coordinator", "process", "processes"):
        flags.FLAGS.register_key_flag_for_module(sys.argv[0], flags.FLAGS[name])
    # absl would have every library tell what it does.
    logging.set_verbosity(logging.WARNING)
    flags.mark_flag_as_required("config")
    app.run(lambda _: run_command(train_recipe), flags_parser=parse)


if __name__ == "__main__":
    command()
