"""RANet, the Ranking Attention Network for fast video object segmentation, in JAX and Flax.

The names of `__all__` are imported when they are first used, so that a process that only loads data
or scores masks never imports jax.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ranet_jax.media.images import read_frame
    from ranet_jax.media.video import open_video
    from ranet_jax.segment.user_masks import read_mask
    from ranet_jax.segmenter import Segmenter
    from ranet_jax.weights.checkpoint import load_network

__version__ = "0.2.0"

__all__ = ["Segmenter", "load_network", "open_video", "read_frame", "read_mask"]

_HOMES = {
    "Segmenter": "ranet_jax.segmenter",
    "load_network": "ranet_jax.weights.checkpoint",
    "open_video": "ranet_jax.media.video",
    "read_frame": "ranet_jax.media.images",
    "read_mask": "ranet_jax.segment.user_masks",
}
"""Where each public name is defined."""


def __getattr__(name: str) -> Any:
    """Imports a public name at its first use."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """All names, those that are not imported yet as well."""
    return sorted({*globals(), *__all__})
