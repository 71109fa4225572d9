"""evaluate.py as the tests run it, and the tables that it writes."""

import csv

import numpy as np
from PIL import Image

from ranet_jax.evaluation import __main__ as evaluation
from ranet_jax.media.masks import read_davis_mask, write_mask

FRAMES = ["00000", "00001", "00002", "00005", "00006"]  # with a gap, which is allowed


def run(monkeypatch, *arguments):
    monkeypatch.setattr("sys.argv", ["evaluate.py", *map(str, arguments)])
    evaluation.main()


def contents(folder):
    """Every file, byte for byte."""
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def read_rows(path):
    with path.open() as file:
        return list(csv.reader(file))


def break_davis(root, what):
    frame = root / "JPEGImages/480p/first/00001.jpg"
    mask = root / "Annotations/480p/first/00000.png"
    labels = read_davis_mask(mask)
    if what == "truncated frame":
        frame.write_bytes(frame.read_bytes()[:500])
    elif what == "mask of another size":
        write_mask(mask, labels[:50])
    elif what == "grey mask":
        Image.fromarray((labels > 0).astype(np.uint8) * 255).save(mask)
    elif what == "colours":
        Image.fromarray(np.dstack([labels * 9, labels, labels * 5])).save(mask)
    elif what == "empty mask":
        write_mask(mask, np.zeros_like(labels))
    elif what == "frame of another size":
        Image.open(frame).resize((100, 100)).save(frame)


def break_frame(davis, sequence):
    frame = davis / f"JPEGImages/480p/{sequence}/00005.jpg"
    frame.write_bytes(frame.read_bytes()[:500])
