"""How long the network takes on a CPU, beside PyTorch's best, on the same inputs.

    python -m benchmarks.released [--network compact] [--precision float32 bfloat16] [--rounds 5]
        [--threads 2] [--check]

Needs Linux, and PyTorch (`pip install -e '.[torch]'`). Measured are one frame of one object,
and the gradient of the loss in all weights for a batch of training examples; in float32 and
bfloat16 or in one of them, in PyTorch with both orders of axes. All programs run in turn, pinned to
the same cores, so that whatever else the machine does hits them alike; each twice, of which the
second run is timed, because in a video or a training the same program ran just before. `--check`
shows first that both compute the same.
"""

import os
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

try:
    import torch
    import torch.nn.functional as F
except ImportError:
    print("benchmarks.released needs PyTorch: pip install -e '.[torch]'", file=sys.stderr)
    sys.exit(2)

from benchmarks.examples import draw_example
from benchmarks.machine import print_machine
from benchmarks.torch_network import TorchNetwork
from ranet_jax.compilation import compile_ahead
from ranet_jax.errors import InputError, run_command
from ranet_jax.flag_parser import FlagParser
from ranet_jax.models.objective import compute_loss
from ranet_jax.models.ranet import RANet, compact_ranet, init_params, round_kernels
from ranet_jax.models.resnet import RESNET_BLOCKS, normalize_frame
from ranet_jax.models.template import pool_mask
from ranet_jax.weights.network import Network

BATCH = 4
"""Training examples of the gradient."""

DICE = 0.5
"""How much the Dice loss counts beside the cross-entropy, as in `configs/compact.py`."""

PRECISIONS = {
    "float32": (jnp.float32, torch.float32),
    "bfloat16": (jnp.bfloat16, torch.bfloat16),
}
"""Here, and in PyTorch."""

NETWORKS = {
    "compact": (compact_ranet(), compact_ranet()),
    "full": (RANet(), RANet(blocks=RESNET_BLOCKS[50], canvas=(256, 448))),
}
"""What segments a frame, and what is trained: the full one of the second on a canvas that fits."""

Run = Callable[[], np.ndarray]
"""Runs a program once. It returns the probability [h, w], or the loss and what it has computed."""


def prepare_our_frame(network: Network, dtype: Any) -> Run:
    """Compiles one frame."""
    model, example = network.model, draw_example(network.model, 1)
    wide = jnp.promote_types(dtype, jnp.float32)
    apply: Any = jax.jit(partial(model.apply, method="template"))
    precision, params = np.dtype(dtype).name, round_kernels(network.params, dtype)
    kernels = apply({"params": params}, normalize_frame(example["template"], dtype))
    cells = pool_mask(example["template_labels"][:, None].astype(wide), model.cell)
    inputs = cells, normalize_frame(example["frame"], dtype), example["previous"][:, None]
    run = jax.jit(
        lambda params, *args: jax.nn.sigmoid(model.apply({"params": params}, *args)[0, 0])
    )
    arguments = jax.device_put((params, kernels, *inputs[:2], inputs[2].astype(wide)))
    compiled = compile_ahead(run, *arguments, precision=precision)
    return lambda: np.asarray(compiled(*arguments))


def prepare_our_gradient(network: Network, dtype: Any) -> Run:
    """Compiles the gradient."""
    example = draw_example(network.model, BATCH)

    def run(params: Any, example: Any) -> tuple:
        return jax.value_and_grad(
            lambda params: compute_loss(network.model, params, example, 1, dtype, DICE)
        )(params)

    arguments = jax.device_put((network.params, example))
    precision = np.dtype(dtype).name
    compiled = compile_ahead(jax.jit(run), *arguments, precision=precision, trains=True)

    def once() -> np.ndarray:
        loss, gradient = jax.block_until_ready(compiled(*arguments))
        return np.array([loss, gradient["decoder"]["logit"]["bias"][0]])

    return once


def _as_tensors(
    example: dict[str, np.ndarray], cell: int, dtype: torch.dtype, layout: torch.memory_format
) -> tuple[torch.Tensor, ...]:
    """Template, cells, current frame, previous mask and true mask, as PyTorch's network takes."""
    wide = np.float64 if dtype == torch.float64 else np.float32
    with jax.enable_x64(dtype == torch.float64):
        template, frame = (
            torch.tensor(np.asarray(normalize_frame(example[name], wide)))
            .permute(0, 3, 1, 2)
            .contiguous(memory_format=layout)
            for name in ("template", "frame")
        )
        cells = np.asarray(pool_mask(example["template_labels"][:, None].astype(wide), cell))
    previous, labels = (
        torch.tensor(example[name][:, None].astype(wide)) for name in ("previous", "labels")
    )
    return template, torch.tensor(cells[:, 0]), frame, previous, labels


def _compute_in(precision: torch.dtype) -> Any:
    """PyTorch's way to a narrower dtype: it casts operation by operation."""
    if precision == torch.bfloat16:
        return torch.autocast("cpu", dtype=torch.bfloat16)
    return nullcontext()


def prepare_torch_frame(
    network: Network, precision: torch.dtype, layout: torch.memory_format
) -> Run:
    """The same frame in PyTorch."""
    dtype = torch.float64 if precision == torch.float64 else torch.float32
    theirs = TorchNetwork(network, dtype, layout)
    tensors = _as_tensors(draw_example(network.model, 1), network.model.cell, dtype, layout)
    template, cells, frame, previous, _ = tensors
    with torch.inference_mode(), _compute_in(precision):
        kernels = theirs.template(template)

    def run() -> np.ndarray:
        with torch.inference_mode(), _compute_in(precision):
            return torch.sigmoid(theirs(kernels, cells, frame, previous))[0, 0].to(dtype).numpy()

    return run


def prepare_torch_gradient(
    network: Network, precision: torch.dtype, layout: torch.memory_format
) -> Run:
    """The same gradient in PyTorch."""
    dtype = torch.float64 if precision == torch.float64 else torch.float32
    theirs = TorchNetwork(network, dtype, layout)
    weights = [tensor.requires_grad_() for tensor in theirs.tensors.values()]
    template, cells, frame, previous, labels = _as_tensors(
        draw_example(network.model, BATCH), network.model.cell, dtype, layout
    )

    def run() -> np.ndarray:
        with _compute_in(precision):
            logits = theirs(theirs.template(template), cells, frame, previous)
        logits = logits.to(dtype)
        probability = torch.sigmoid(logits)
        both, either = (probability * labels).sum((1, 2, 3)), (probability + labels).sum((1, 2, 3))
        dice = 1 - (2 * both + 1) / (either + 1)
        loss = F.binary_cross_entropy_with_logits(logits, labels) + DICE * dice.mean()
        # The ranking network only orders maps, so no gradient reaches it.
        gradients = torch.autograd.grad(loss, weights, allow_unused=True)
        found = dict(zip(theirs.tensors, gradients, strict=True))["R3.5.bias"]
        assert found is not None
        return np.array([loss.item(), found.item()])

    return run


def compare_exactly(network: Network, ours: Callable, theirs: Callable) -> float:
    """The largest difference of what both compute in float64; float32 would tell nothing."""
    with jax.enable_x64(True):
        params = jax.tree.map(lambda x: np.asarray(x, np.float64), network.params)
        found = ours(Network(network.model, params, {}), np.float64)()
    expected = theirs(network, torch.float64, torch.contiguous_format)()
    assert found.dtype == expected.dtype == np.float64
    return float(np.abs(found - expected).max())


def measure(run: Run) -> float:
    """Milliseconds of one run."""
    start = time.perf_counter()
    run()
    return 1000 * (time.perf_counter() - start)


def compare(
    title: str,
    ours: Callable,
    theirs: Callable,
    network: Network,
    rounds: int,
    precisions: list[str],
) -> None:
    """Measures all programs for one task in turn, and prints a line each."""
    programs = {
        f"PyTorch {name}, {order}": (name, theirs(network, PRECISIONS[name][1], layout))
        for name in precisions
        for order, layout in (
            ("contiguous", torch.contiguous_format),
            ("channels last", torch.channels_last),
        )
    }
    for name in precisions:
        programs[f"ranet_jax {name}"] = name, ours(network, PRECISIONS[name][0])
    times: dict[str, list[float]] = {program: [] for program in programs}
    for _ in range(rounds):
        for program, (_, run) in programs.items():
            run()  # the program before it has filled the caches and left other free memory
            times[program].append(measure(run))
    print(f"\n{title}, {rounds} rounds in turn:")
    medians = {program: float(np.median(taken)) for program, taken in times.items()}
    for program, taken in times.items():
        print(f"  {program:<32} {medians[program]:8.0f} ms median {min(taken):8.0f} ms best")
    for name in precisions:
        best = min(medians[p] for p, (n, _) in programs.items() if n == name and "PyTorch" in p)
        ratio = medians[f"ranet_jax {name}"] / best
        print(f"  {name}: ranet_jax takes {ratio:.2f} of PyTorch's best (medians)")


def main() -> None:
    """The command."""
    parser = FlagParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", choices=NETWORKS, default="compact", help="(default: compact)")
    parser.add_argument("--rounds", type=int, default=5, help="timed runs of each (default: 5)")
    parser.add_argument("--threads", type=int, default=2, help="of each; also the cores they get")
    parser.add_argument(
        "--precision",
        choices=PRECISIONS,
        nargs="+",
        default=list(PRECISIONS),
        help="what to compute in (default: both; bfloat16 takes long on a processor without it)",
    )
    parser.add_argument("--check", action="store_true", help="compare both in float64 beforehand")
    args = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))[: args.threads]
    if len(cores) < args.threads:
        raise InputError(f"--threads {args.threads}: this process may use {len(cores)} cores only")
    # XLA starts a thread a core that it may use, and it starts them with the first computation.
    os.sched_setaffinity(0, cores)
    torch.set_num_threads(args.threads)
    jax.config.update("jax_platforms", "cpu")

    print_machine(torch=torch.__version__)
    tasks = (
        ("one frame", prepare_our_frame, prepare_torch_frame),
        (f"gradient of a batch of {BATCH}", prepare_our_gradient, prepare_torch_gradient),
    )
    for (task, ours, theirs), model in zip(tasks, NETWORKS[args.network], strict=True):
        network = Network(model, init_params(model, 0), {})
        h, w = model.canvas
        title = f"{args.network}, {task}, one object, {h} x {w}, {args.threads} threads"
        if args.check:
            difference = compare_exactly(network, ours, theirs)
            print(f"{task}: largest difference in float64 {difference:.1e}")
        compare(title, ours, theirs, network, args.rounds, args.precision)


if __name__ == "__main__":
    run_command(main)
