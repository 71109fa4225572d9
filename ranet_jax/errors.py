"""What a user can mend: bad input ends a command with one clear line and exit code 2."""

import io
import os
import sys
import traceback
from collections.abc import Callable

EXTRAS = {
    "grain": "train",
    "importlib_resources": "train",
    "ml_collections": "train",
    "optax": "train",
    "tensorboardX": "train",
    "tensorflow_datasets": "train",
    "gradio": "app",
    "matplotlib": "figures",
    "ray": "ray",
    "skimage": "demo",
    "torch": "torch",
}
"""The extra of the package that brings a module which segmenting and scoring do without."""


class InputError(Exception):
    """Input that cannot be used. The message names the file and the remedy, on one line."""


def run_command(main: Callable[[], None], *, kept: str = "") -> None:
    """Runs a command's `main`; an `InputError` becomes one line on stderr and exit code 2.

    Args:
        main: the command, without arguments. Ctrl-C ends it with one line and exit code 130. What
            the system refuses (permissions, a full disk, a device that is not there) ends with 2,
            and an extra of the package that is not installed. Any other exception passes through
            with its traceback, because it is a fault of this program and not of the input. Names
            that the terminal cannot show, such as Cyrillic ones on an ASCII terminal, are printed
            with escapes.
        kept: what is there after Ctrl-C; said on that line.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        main()
    except InputError as error:
        print("error:", find_reason(error), file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print(f"interrupted; {kept}" if kept else "interrupted", file=sys.stderr)
        sys.exit(130)
    except (AssertionError, RuntimeError) as error:
        # What jax raises, without a word of it, where the device that was asked for is missing.
        platforms = os.environ.get("JAX_PLATFORMS")
        if not platforms or not _is_raised_in(error, "xla_bridge.py"):
            raise
        print(
            f"error: JAX_PLATFORMS={platforms} asks for a device that jax does not find here; "
            "unset it, or install what jax needs for it",
            file=sys.stderr,
        )
        sys.exit(2)
    except ModuleNotFoundError as error:
        module = (error.name or "").partition(".")[0]
        if module not in EXTRAS:
            raise
        print(
            f"error: this needs {module}, which is not installed; "
            f"pip install -e '.[{EXTRAS[module]}]' in the folder of its repository",
            file=sys.stderr,
        )
        sys.exit(2)
    except BrokenPipeError:
        # Whoever read what was printed has seen enough, as `head` has; nothing more can be said.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        # A folder that may not be written, a full disk: nothing that a traceback would explain.
        if (reason := find_reason(error)) is None:
            raise
        print("error:", reason, file=sys.stderr)
        sys.exit(2)


def find_reason(error: InputError | OSError) -> str | None:
    """What a user can mend, on one line; None where an error is a fault of this program."""
    if isinstance(error, InputError):
        return " ".join(str(error).splitlines())
    if error.strerror is None:
        return None
    return f"{error.filename}: {error.strerror}" if error.filename else error.strerror


def _is_raised_in(error: BaseException, file: str) -> bool:
    """Whether an exception was raised in a file of this name."""
    return traceback.extract_tb(error.__traceback__)[-1].filename.endswith(file)
