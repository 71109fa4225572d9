"""What a measurement was made with."""

import os
import platform
from pathlib import Path

import cv2
import flax
import jax
import numpy as np

import ranet_jax


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
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.processor()}, {count_cores()} cores"
