"""DAVIS trees of both releases, and broken ones."""

import pytest

from ranet_jax.data.davis import SPLITS, find_sequences
from ranet_jax.errors import InputError


def make_tree(root, names, lists, frames=(0, 1, 3, 7)):
    """Empty files in DAVIS's places; frame numbers have gaps."""
    for name in names:
        for folder, ending in (("JPEGImages", "jpg"), ("Annotations", "png")):
            place = root / folder / "480p" / name
            place.mkdir(parents=True)
            for frame in frames:
                (place / f"{frame:05d}.{ending}").touch()
    for path, text in lists.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return root


@pytest.fixture
def tree(tmp_path):
    return make_tree(tmp_path, ["b", "a"], {"ImageSets/2016/val.txt": "b\na\n"})


VAL = SPLITS["davis16-val"]


def test_sequences_in_the_order_of_the_list_with_gaps(tree):
    b, a = find_sequences(tree, VAL)
    assert (b.name, a.name) == ("b", "a")
    assert [path.stem for path in b.frames] == ["00000", "00001", "00003", "00007"]
    assert [path.stem for path in b.masks] == [path.stem for path in b.frames]


def test_lists_of_the_2016_release_hold_paths(tmp_path):
    text = "".join(
        f"/JPEGImages/480p/{name}/{frame:05d}.jpg /Annotations/480p/{name}/{frame:05d}.png\n"
        for name in ("b", "a")
        for frame in range(2)
    )
    root = make_tree(tmp_path, ["a", "b"], {"ImageSets/480p/val.txt": text})
    assert [sequence.name for sequence in find_sequences(root, VAL)] == ["b", "a"]


def test_trainval_is_both_lists(tmp_path):
    lists = {"ImageSets/2016/train.txt": "a\n", "ImageSets/2016/val.txt": "b\n"}
    root = make_tree(tmp_path, ["a", "b"], lists)
    assert [s.name for s in find_sequences(root, SPLITS["davis16-trainval"])] == ["a", "b"]


def test_test_dev_needs_first_masks_alone(tmp_path):
    root = make_tree(tmp_path, ["a"], {"ImageSets/2017/test-dev.txt": "a\n"})
    for path in sorted((root / "Annotations/480p/a").iterdir())[1:]:
        path.unlink()
    (sequence,) = find_sequences(root, SPLITS["davis17-test-dev"])
    assert len(sequence.frames) == 4


def test_choosing_sequences_and_frames(tree):
    (sequence,) = find_sequences(tree, VAL, ["a"], max_frames=3)
    assert (sequence.name, len(sequence.frames), len(sequence.masks)) == ("a", 3, 3)


def break_tree(root, what):
    if what == "list":
        (root / "ImageSets/2016/val.txt").unlink()
    elif what == "list is empty":
        (root / "ImageSets/2016/val.txt").write_text("\n")
    elif what == "frames":
        for path in (root / "JPEGImages/480p/a").iterdir():
            path.unlink()
    elif what == "first mask":
        (root / "Annotations/480p/a/00000.png").unlink()
    elif what == "later mask":
        (root / "Annotations/480p/a/00003.png").unlink()


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("list", r"ImageSets/2016/val\.txt does not exist.*must hold"),
        ("list is empty", r"val\.txt is empty"),
        ("frames", r"480p/a has no frames"),
        ("first mask", r"480p/a/00000\.png does not exist.*first frame"),
        ("later mask", r"480p/a/00003\.png does not exist"),
    ],
)
def test_broken_trees_are_named(tree, what, message):
    break_tree(tree, what)
    with pytest.raises(InputError, match=message):
        find_sequences(tree, VAL)


def test_missing_and_empty_folders(tmp_path):
    with pytest.raises(InputError, match=r"nowhere does not exist; download"):
        find_sequences(tmp_path / "nowhere", VAL)
    with pytest.raises(InputError, match="the DAVIS folder must hold"):
        find_sequences(tmp_path, VAL)


def test_unknown_sequence(tree):
    with pytest.raises(InputError, match="c, d not in the split; it has b, a"):
        find_sequences(tree, VAL, ["d", "a", "c"])
