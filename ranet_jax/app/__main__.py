"""A page to segment a video in the browser: python -m ranet_jax.app --checkpoint weights/multi."""

import argparse
import contextlib
import os
import signal
import tempfile
from pathlib import Path

import jax

from ranet_jax.errors import InputError, run_command
from ranet_jax.protocol import PRECISIONS
from ranet_jax.segmenter import Segmenter


def serve(segmenter: Segmenter, host: str, port: int, max_upload: int) -> None:
    """Serves the page until the program is interrupted or told to end.

    Everything that visitors send and get lies in one private temporary folder. A visitor's part of
    it goes when the tab is closed, and all of it when this function ends.

    Args:
        segmenter: the network.
        host: address to listen at; 127.0.0.1 is this machine alone.
        port: to listen at.
        max_upload: megabytes a video may have.

    Raises:
        InputError: Gradio is not installed, or the port is in use.
    """
    # `kill` and Ctrl+C are to end alike: with nothing left behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with contextlib.suppress(KeyboardInterrupt), tempfile.TemporaryDirectory() as folder:
        # Gradio reads both when it is imported: it must report to nobody, and keep its files here.
        os.environ |= {"GRADIO_ANALYTICS_ENABLED": "False", "GRADIO_TEMP_DIR": folder}
        try:
            from ranet_jax.app.page import Page
        except ModuleNotFoundError as error:
            if error.name != "gradio":
                raise
            raise InputError(
                "the page needs Gradio, which is not installed; pip install 'ranet-jax[app]'"
            ) from None
        page = Page(segmenter, Path(folder), max_upload)
        try:
            page.launch(host, port)
            signal.pause()
        finally:
            page.close()


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m ranet_jax.app", description=__doc__)
    parser.add_argument(
        "--checkpoint", type=Path, help="needed: of ranet_jax.convert, or a training run"
    )
    parser.add_argument("--precision", choices=PRECISIONS, default="float32")
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen at (default: 127.0.0.1, which only this machine reaches)",
    )
    parser.add_argument("--port", type=int, default=7860, help="(default: 7860)")
    parser.add_argument(
        "--max-upload",
        type=int,
        default=500,
        metavar="MB",
        help="megabytes a video may have (default: 500)",
    )
    args = parser.parse_args()
    if args.checkpoint is None:
        raise InputError(
            "give --checkpoint (no trained weights come with this version; see 'Weights' in "
            "README.md)"
        )
    if args.max_upload < 4:
        raise InputError("--max-upload must be at least 4: what is painted is an upload, too")
    jax.config.update("jax_enable_x64", args.precision == "float64")
    segmenter = Segmenter.from_checkpoint(args.checkpoint, args.precision)
    serve(segmenter, args.host, args.port, args.max_upload)


def command() -> None:
    """The entry point of `ranet-app`."""
    run_command(main)


if __name__ == "__main__":
    command()
