"""How long the network takes on a CPU, beside the released one in PyTorch, on the same inputs.

    python -m benchmarks.released [--checkpoint DIR] [--frames 7] [--threads 2] [--check]

Needs Linux, and PyTorch (`pip install 'ranet-jax[torch]'`). `ReleasedNetwork` is the released
network of one object, written down from its description: plain calls of `torch.nn.functional`, one
stream after the other, PyTorch's order of axes. `--check` shows that it computes what ours does.
Both programs see one frame of 480 x 864 in turn, pinned to the same cores, so that whatever else
the machine does hits both alike.
"""

import argparse
import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import jax
import numpy as np
import torch
import torch.nn.functional as F

from ranet_jax.errors import InputError, run_command
from ranet_jax.machine import describe_machine
from ranet_jax.models.ranet import RANet, init_params
from ranet_jax.models.ranking import pool_mask
from ranet_jax.weights.checkpoint import load_network
from ranet_jax.weights.network import Network
from ranet_jax.weights.pytorch import export_tensors


class ReleasedNetwork:
    """The released network of one object; all tensors are [1, c, h, w] and modules functions.

    Attributes:
        tensors: weights by their released name.
        blocks: bottlenecks of each stage of the ResNet.
    """

    def __init__(
        self, tensors: dict[str, np.ndarray], blocks: tuple[int, ...], dtype: torch.dtype
    ) -> None:
        """Takes the weights, and the dtype to compute in."""
        # torch.tensor copies: what orbax read may not be written to, and PyTorch warns of it.
        self.tensors = {name: torch.tensor(x, dtype=dtype) for name, x in tensors.items()}
        self.blocks = blocks

    def convolve(
        self, x: torch.Tensor, name: str, stride: int = 1, dilation: int = 1
    ) -> torch.Tensor:
        """A convolution with "same" padding, and a bias where there is one."""
        weight, bias = self.tensors[f"{name}.weight"], self.tensors.get(f"{name}.bias")
        padding = dilation * (weight.shape[-1] // 2)
        return F.conv2d(x, weight, bias, stride=stride, padding=padding, dilation=dilation)

    def normalize(self, x: torch.Tensor, name: str) -> torch.Tensor:
        """Instance normalisation with learned scale and bias."""
        weight, bias = self.tensors[f"{name}.weight"], self.tensors[f"{name}.bias"]
        return F.instance_norm(x, weight=weight, bias=bias)

    def bottleneck(self, x: torch.Tensor, name: str, stride: int) -> torch.Tensor:
        """A block of the ResNet."""
        y = self.convolve(x, f"{name}.conv1")
        y = torch.relu(self.normalize(y, f"{name}.bn1"))
        y = self.convolve(y, f"{name}.conv2", stride)
        y = torch.relu(self.normalize(y, f"{name}.bn2"))
        y = self.normalize(self.convolve(y, f"{name}.conv3"), f"{name}.bn3")
        if f"{name}.downsample.0.weight" in self.tensors:
            x = self.convolve(x, f"{name}.downsample.0", stride)
            x = self.normalize(x, f"{name}.downsample.1")
        return torch.relu(x + y)

    def resnet(self, frame: torch.Tensor) -> list[torch.Tensor]:
        """The features c1 .. c5 of a normalised frame."""
        x = self.normalize(self.convolve(frame, "base_model.conv1", 2), "base_model.bn1")
        x = torch.relu(x)
        features = [x]
        x = F.max_pool2d(x, 3, 2, 1)
        for stage, count in enumerate(self.blocks, start=1):
            for index in range(count):
                stride = 2 if stage > 1 and index == 0 else 1
                x = self.bottleneck(x, f"base_model.layer{stage}.{index}", stride)
            features.append(x)
        return features

    def block(self, x: torch.Tensor, name: str, factor: int = 1) -> torch.Tensor:
        """A ConvBlock."""
        x = self.convolve(torch.relu(F.instance_norm(x)), name)
        return enlarge(x, factor, True) if factor > 1 else x

    def residual(self, x: torch.Tensor, name: str, dilation: int = 1) -> torch.Tensor:
        """A ResBlock."""
        y = torch.relu(F.instance_norm(self.convolve(x, f"{name}.conv1")))
        y = self.convolve(y, f"{name}.conv2", dilation=dilation)
        y = torch.relu(F.instance_norm(y))
        return torch.relu(F.instance_norm(self.convolve(y, f"{name}.conv3")) + x)

    def scales(self, x: torch.Tensor, name: str) -> torch.Tensor:
        """A MultiScale block."""
        dilations = {"l1": 1, "l2": 3, "l3": 6}
        return sum(self.convolve(x, f"{name}.{k}", dilation=d) for k, d in dilations.items())

    def match(self, features: list[torch.Tensor]) -> torch.Tensor:
        """The matching feature."""
        m3 = F.normalize(F.max_pool2d(self.block(features[2], "L3.2"), 2))
        m4 = F.normalize(self.block(features[3], "L4.2"))
        m5 = F.normalize(enlarge(self.block(features[4], "L5.2"), 2, False))
        return F.normalize(self.block(torch.cat([m3, m4, m5], 1), "L_g.2"))

    def rank(self, similarity: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        """The 256 best maps of a stream, best first; `weights` [positions]."""
        maps = similarity * weights[:, None, None]
        positions, rows, columns = maps.shape[1], maps.shape[2] // 2, maps.shape[3] // 2
        pooled = F.max_pool2d(maps, 2).reshape(positions, -1)
        x = self.block(pooled.T.reshape(1, -1, rows, columns), "Ranking.0.2")
        x = self.residual(x, "Ranking.1", dilation=2)
        x = torch.relu(self.block(x, "Ranking.2.2")).flatten()
        scores = pooled.amax(1) + x * (weights != 0) * 0.2
        return maps[:, torch.topk(scores, 256).indices]

    def merge(self, maps: torch.Tensor) -> torch.Tensor:
        """The first part of the decoder, for one stream."""
        x = self.block(enlarge(maps, 2, False), "p_1.2")
        return self.block(self.residual(x, "res_1"), "p_2.2")

    def skip(self, level: int, features: list[torch.Tensor]) -> list[torch.Tensor]:
        """The skip features of a level, of the encoder's features from the finest it uses."""
        first = 4 - level
        return [
            self.block(features[index], f"ls{level}{first + index}.2", 2**index)
            for index in range(3)
        ]

    def __call__(
        self,
        kernels: torch.Tensor,
        cells: torch.Tensor,
        frame: torch.Tensor,
        previous: torch.Tensor,
    ) -> torch.Tensor:
        """One frame.

        Args:
            kernels: of the template, [positions, c, 1, 1].
            cells: the object's share of each cell of the template, [positions].
            frame: normalised, [1, 3, 480, 864].
            previous: mask of the frame before, 0 or 1, [1, 1, 480, 864].

        Returns:
            The probability, [1, 1, 480, 864].
        """
        features = self.resnet(frame)
        similarity = F.conv2d(self.match(features), kernels)  # [1, positions, 30, 54]
        background = (1 - cells >= 0.9).to(cells.dtype)
        streams = [self.merge(self.rank(similarity, weights)) for weights in (cells, background)]

        x = torch.cat([*self.skip(1, features[2:]), *streams, F.avg_pool2d(previous, 8)], 1)
        x = self.block(self.block(x, "R1.0.2"), "R1.1.2")
        x = enlarge(self.residual(self.scales(x, "R1.2"), "R1.3"), 2, True)
        x = torch.cat([*self.skip(2, features[1:]), x], 1)
        x = self.block(self.block(x, "R2.0.2"), "R2.1.2")
        x = enlarge(self.residual(self.scales(x, "R2.2"), "R2.3"), 2, True)
        x = torch.cat([*self.skip(3, features), x], 1)
        x = self.block(self.block(x, "R3.0.2"), "R3.1.2")
        x = self.residual(enlarge(self.scales(x, "R3.2"), 2, True), "R3.4")
        return torch.sigmoid(self.convolve(x, "R3.5"))


def enlarge(x: torch.Tensor, factor: int, align_corners: bool) -> torch.Tensor:
    """Bilinear upsampling."""
    return F.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=align_corners)


def make_inputs(network: Network) -> tuple[np.ndarray, ...]:
    """A template and a current frame of noise with an object in it, as the network takes them.

    Returns:
        Kernels, cells, frame and previous mask for `RANet.__call__`, float32.
    """
    generator = np.random.default_rng(0)
    h, w = network.model.canvas
    template, frame = generator.standard_normal((2, 1, h, w, 3), np.float32)
    mask = np.zeros((1, 1, h, w), np.float32)
    mask[..., h // 4 : h // 2, w // 4 : w // 2] = 1
    apply = jax.jit(partial(network.model.apply, method="template"))
    kernels = np.asarray(apply({"params": network.params}, template))
    return kernels, np.asarray(pool_mask(mask)), frame, mask


def prepare_ours(
    network: Network, inputs: tuple[np.ndarray, ...], dtype: type
) -> Callable[[], np.ndarray]:
    """Compiles the network; what comes back runs it once and gives the probability [h, w]."""
    run = jax.jit(
        lambda params, *args: jax.nn.sigmoid(network.model.apply({"params": params}, *args))
    )
    params, *args = jax.device_put((network.params, *(x.astype(dtype) for x in inputs)))
    compiled = run.lower(params, *args).compile()
    return lambda: np.asarray(compiled(params, *args))[0, 0]


def prepare_released(
    network: Network, inputs: tuple[np.ndarray, ...], dtype: torch.dtype
) -> Callable[[], np.ndarray]:
    """The same for the released network."""
    released = ReleasedNetwork(export_tensors(network), network.model.blocks, dtype)
    kernels, cells, frame, previous = (torch.tensor(x, dtype=dtype) for x in inputs)
    kernels, frame = kernels[0, :, :, None, None], frame.permute(0, 3, 1, 2).contiguous()

    def run() -> np.ndarray:
        with torch.inference_mode():
            return released(kernels, cells[0, 0], frame, previous)[0, 0].numpy()

    return run


def compare_exactly(network: Network, inputs: tuple[np.ndarray, ...]) -> float:
    """The largest difference of the probability in float64; float32 would tell nothing."""
    with jax.enable_x64(True):
        ours = prepare_ours(network, inputs, np.float64)()
    theirs = prepare_released(network, inputs, torch.float64)()
    assert ours.dtype == theirs.dtype == np.float64
    return float(np.abs(ours - theirs).max())


def measure(run: Callable[[], np.ndarray]) -> float:
    """Milliseconds of one run."""
    start = time.perf_counter()
    run()
    return 1000 * (time.perf_counter() - start)


def print_run(program: str, milliseconds: list[float]) -> None:
    """Prints a program's median, its best and all its times."""
    every = " ".join(f"{value:.0f}" for value in milliseconds)
    print(
        f"  {program:<9} {np.median(milliseconds):7.0f} ms median  {min(milliseconds):7.0f} ms best"
        f"  [{every}]"
    )


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--checkpoint", type=Path, help="a network with the released shapes (default: untrained)"
    )
    parser.add_argument("--frames", type=int, default=7, help="timed runs of each")
    parser.add_argument("--threads", type=int, default=2, help="of each; also the cores they get")
    parser.add_argument("--check", action="store_true", help="compare both in float64 beforehand")
    args = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))[: args.threads]
    if len(cores) < args.threads:
        raise InputError(f"--threads {args.threads}: this process may use {len(cores)} cores only")
    # XLA starts a thread a core that it may use, and it starts them with the first computation.
    os.sched_setaffinity(0, cores)
    torch.set_num_threads(args.threads)

    jax.config.update("jax_platforms", "cpu")
    model = RANet()
    network = (
        load_network(args.checkpoint)
        if args.checkpoint
        else Network(model, init_params(model, 0), {})
    )
    if network.model != RANet(blocks=network.model.blocks):
        raise InputError(f"{args.checkpoint} is no released network of one object; import one")
    machine = describe_machine()
    versions = {**machine["versions"], "torch": torch.__version__}
    print(f"machine: {machine['processor']}; load {os.getloadavg()[0]:.1f} before the start")
    print("versions:", ", ".join(f"{name} {number}" for name, number in versions.items()))
    inputs = make_inputs(network)
    if args.check:
        difference = compare_exactly(network, inputs)
        print(f"largest difference of the probability in float64: {difference:.1e}")
    released = prepare_released(network, inputs, torch.float32)
    start = time.perf_counter()
    ours = prepare_ours(network, inputs, np.float32)
    print(f"compilation, apart: {time.perf_counter() - start:.1f} s")

    released(), ours()  # the first run of each allocates
    times = [(measure(released), measure(ours)) for _ in range(args.frames)]
    theirs, our_times = (list(column) for column in zip(*times, strict=True))
    h, w = model.canvas
    print(f"network alone, one object, {h} x {w}, float32, {args.threads} threads, in turn:")
    print_run("released", theirs)
    print_run("ranet_jax", our_times)
    print(
        f"  ranet_jax takes {np.median(our_times) / np.median(theirs):.2f} of the released time "
        f"(medians), {min(our_times) / min(theirs):.2f} (best)"
    )


if __name__ == "__main__":
    run_command(main)
