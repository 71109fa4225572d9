"""RANet written down once more, in PyTorch: what `benchmarks.released` compares with.

The released network from its description: plain calls of `torch.nn.functional`, one stream after
the other, PyTorch's order of axes.
"""

import numpy as np
import torch
import torch.nn.functional as F
from flax.traverse_util import flatten_dict

from ranet_jax.models.template import STRIDE
from ranet_jax.weights.network import Network
from ranet_jax.weights.pytorch import map_names


class TorchNetwork:
    """RANet for one object in PyTorch; frames and features are [b, c, h, w], modules functions.

    Attributes:
        tensors: weights by their released name.
        model: whose widths, canvas and ranking rule these are.
    """

    def __init__(self, network: Network, dtype: torch.dtype, layout: torch.memory_format) -> None:
        """Takes over the weights.

        Args:
            network: whose ranking is of one object, or not learned.
            dtype: of the weights.
            layout: of the kernels of the convolutions.
        """
        self.model = network.model
        assert self.model.ranking_rule == "single" or not self.model.learned_scores
        leaves = flatten_dict(network.params, sep="/")
        # torch.tensor copies: what orbax read may not be written to, and PyTorch warns of it.
        arrays = {
            name: torch.tensor(place.export_array(np.asarray(leaves[place.path])), dtype=dtype)
            for name, place in map_names(self.model).items()
        }
        self.tensors = {
            name: array.contiguous(memory_format=layout) if array.ndim == 4 else array
            for name, array in arrays.items()
        }

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
        for stage, count in enumerate(self.model.blocks, start=1):
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
        """The best maps of a stream, best first; `weights` [b, positions]."""
        maps = similarity * weights[:, :, None, None]
        side = self.model.cell // STRIDE
        positions, rows, columns = maps.shape[1], maps.shape[2] // side, maps.shape[3] // side
        pooled = F.max_pool2d(maps, side).flatten(2)
        scores = pooled.amax(2)
        if self.model.learned_scores:
            x = pooled.transpose(1, 2).reshape(-1, positions, rows, columns)
            x = self.residual(self.block(x, "Ranking.0.2"), "Ranking.1", dilation=2)
            x = torch.relu(self.block(x, "Ranking.2.2")).flatten(1)
            scores = scores + x * (weights != 0) * 0.2
        count = min(self.model.top_k, positions)
        index = torch.topk(scores, count).indices[..., None, None]
        chosen = torch.gather(maps, 1, index.expand(-1, -1, *maps.shape[2:]))
        return F.pad(chosen, (0, 0, 0, 0, 0, self.model.top_k - count))

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

    def template(self, frame: torch.Tensor) -> torch.Tensor:
        """Kernels of a normalised template, [b, positions, c]."""
        side = self.model.cell // STRIDE
        return F.avg_pool2d(self.match(self.resnet(frame)), side).flatten(2).transpose(1, 2)

    def __call__(
        self,
        kernels: torch.Tensor,
        cells: torch.Tensor,
        frame: torch.Tensor,
        previous: torch.Tensor,
    ) -> torch.Tensor:
        """One frame.

        Args:
            kernels: of the template, [b, positions, c].
            cells: the object's share of each cell of the template, [b, positions].
            frame: normalised, [b, 3, h, w].
            previous: mask of the frame before, 0 or 1, [b, 1, h, w].

        Returns:
            Logits, [b, 1, h, w].
        """
        features = self.resnet(frame)
        similarity = torch.einsum("bjc,bcyx->bjyx", kernels, self.match(features))
        background = 1 - cells
        if self.model.ranking_rule == "single":
            background = (background >= 0.9).to(cells.dtype)
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
        return self.convolve(x, "R3.5")


def enlarge(x: torch.Tensor, factor: int, align_corners: bool) -> torch.Tensor:
    """Bilinear upsampling."""
    return F.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=align_corners)
