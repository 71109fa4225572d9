"""The flags of `train.py`."""

import sys
from pathlib import Path

from absl import app, flags, logging
from ml_collections import config_flags

from ranet_jax.errors import run_command
from ranet_jax.training import parallel

_CONFIG = config_flags.DEFINE_config_file("config", help_string="recipe, such as configs/demo.py")
_WORK = flags.DEFINE_string("workdir", None, "folder of the run (default: runs/RECIPE)")
_COORDINATOR = flags.DEFINE_string("coordinator", None, "host:port of process 0")
_PROCESS = flags.DEFINE_integer("process", 0, "number of this process")
_PROCESSES = flags.DEFINE_integer("processes", 1, "how many processes train together")


def main() -> None:
    """The command; absl parses the flags, which grain's worker processes need as well."""
    # absl would have every library tell what it does.
    logging.set_verbosity(logging.WARNING)
    flags.mark_flag_as_required("config")
    app.run(lambda _: run_command(_train), flags_parser=_parse_flags)


def _parse_flags(arguments: list[str]) -> list[str]:
    """Parses flags and recipe; what is wrong with them becomes one line and exit code 2."""
    try:
        rest = flags.FLAGS(arguments)
        list(_CONFIG.value)  # a recipe that cannot be read complains only when it is used
    except (flags.Error, OSError, AttributeError, KeyError, TypeError, ValueError) as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        print(f"error: {' '.join(lines)} (recipes and their fields: configs/)", file=sys.stderr)
        sys.exit(2)
    return rest


def _train() -> None:
    parallel.start_processes(_COORDINATOR.value, _PROCESS.value, _PROCESSES.value)
    from ranet_jax.training.loop import train

    recipe = Path(config_flags.get_config_filename(flags.FLAGS["config"])).stem
    train(_CONFIG.value, Path(_WORK.value or f"runs/{recipe}"))


if __name__ == "__main__":
    main()
