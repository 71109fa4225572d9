"""What a measurement was made with."""

import os
import platform
from pathlib import Path

import cv2
import flax
import jax
import numpy as np

import ranet_jax

PROCESSORS = Path("/proc/cpuinfo")
"""Where Linux tells of its processors."""


def describe_machine() -> dict[str, object]:
    """The device, the machine and the versions that a measurement was made with."""
    # Asked of the modules, which may have come without pip.
    versions = {module.__name__: module.__version__ for module in (ranet_jax, jax, flax, np, cv2)}
    return {
        "device": f"{len(jax.devices())} x {jax.devices()[0].device_kind}",
        "processor": describe_processor(),
        "versions": {"python": platform.python_version()} | versions,
    }


def count_cores() -> int:
    """How many cores this process may use, which in a container are fewer than there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1  # macOS


def describe_processor() -> str:
    """The processor's name and how many cores of it may be used."""
    return f"{_read_about_processor('model name') or platform.processor()}, {count_cores()} cores"


def lacks_bfloat16() -> bool:
    """Whether the processor is known to have no instructions for bfloat16 (Linux alone tells)."""
    # What one has is called flags on Intel and AMD, Features on Arm.
    words = (_read_about_processor("flags") or _read_about_processor("Features")).split()
    return bool(words) and not {"avx512_bf16", "amx_bf16", "bf16"} & set(words)


def _read_about_processor(name: str) -> str:
    """What Linux tells under a name of its first processor; empty where it tells nothing."""
    lines = PROCESSORS.read_text().splitlines() if PROCESSORS.exists() else []
    told = [line.partition(":")[2].strip() for line in lines if line.startswith(name)]
    return told[0] if told else ""
