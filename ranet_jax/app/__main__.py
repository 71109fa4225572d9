"""A page to segment a video in the browser: python -m ranet_jax.app."""

from importlib.util import find_spec

from ranet_jax.app.server import serve
from ranet_jax.errors import InputError, run_command
from ranet_jax.flag_parser import FlagParser
from ranet_jax.network_flags import (
    add_computation_flags,
    add_network_flags,
    choose_network,
    set_up_computation,
)
from ranet_jax.segmenter import Segmenter


def main() -> None:
    """Reads the flags and serves."""
    parser = FlagParser(prog="python -m ranet_jax.app", description=__doc__)
    add_network_flags(parser)
    add_computation_flags(parser)
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
    if find_spec("gradio") is None:  # before anything is loaded that would be in vain
        raise ModuleNotFoundError("gradio is not installed", name="gradio")
    if args.max_upload < 4:
        raise InputError(
            f"--max-upload {args.max_upload}: give 4 or more, as what is painted is an upload, too"
        )
    if not 1 <= args.port <= 65535:
        raise InputError(f"--port {args.port}: give 1 to 65535")
    set_up_computation(args)
    segmenter = Segmenter.from_network(choose_network(args), args.precision)
    serve(segmenter, args.host, args.port, args.max_upload)


def command() -> None:
    """The entry point of `ranet-app`."""
    run_command(main)


if __name__ == "__main__":
    command()
