"""Which files count, in which order, and lists of names from any editor."""

import pytest

from ranet_jax.data.davis import SPLITS, find_sequences
from ranet_jax.errors import InputError
from ranet_jax.media.listing import list_images, name_mixture, read_lines, sort_images
from tests.test_davis import make_tree


def test_order_is_that_of_counting(tmp_path):
    names = ["frame.png", "frame2.png", "frame10.png", "frame 3.PNG", "10.jpg", "9.jpg", "0.tiff"]
    for name in [*names, "._9.jpg", ".DS_Store", ".hidden.png", "Thumbs.db", "notes.txt"]:
        (tmp_path / name).touch()
    (tmp_path / "11.jpg").mkdir()
    expected = [
        "0.tiff",
        "9.jpg",
        "10.jpg",
        "frame.png",
        "frame 3.PNG",
        "frame2.png",
        "frame10.png",
    ]
    found = [path.name for path in list_images(tmp_path)]
    assert found[:3] == expected[:3] and set(found) == set(expected)
    assert found.index("frame.png") < found.index("frame2.png") < found.index("frame10.png")
    assert [path.name for path in list_images(tmp_path, (".jpg",))] == ["9.jpg", "10.jpg"]


def test_a_link_to_nothing_is_no_gap(tmp_path):
    (tmp_path / "0.jpg").touch()
    (tmp_path / "1.jpg").symlink_to(tmp_path / "gone.jpg")
    with pytest.raises(InputError, match=r"1\.jpg is a link that leads nowhere"):
        list_images(tmp_path)


def test_kinds_that_are_mixed_or_passed_over_are_named(tmp_path):
    (tmp_path / "0.jpg").touch()
    assert name_mixture(list_images(tmp_path), tmp_path) is None
    for name in ("1.heic", "2.HEIC", "mask.png", "notes.txt", "._a.gif"):
        (tmp_path / name).touch()
    said = name_mixture(list_images(tmp_path), tmp_path)
    assert said.startswith(f"{tmp_path} has .jpg, .png, all of which are frames and has .heic, ")


def test_numbers_anywhere_in_a_name(tmp_path):
    names = ["s2_t1.png", "s2_t9.png", "s2_t10.png", "s10_t1.png", "s٣.png", "s².png"]
    paths = [tmp_path / name for name in names]
    for path in paths:
        path.touch()
    assert [path.name for path in sort_images(reversed(paths))][:4] == names[:4]


@pytest.mark.parametrize(
    ("encoding", "mark"),
    [
        ("utf-8", b""),
        ("utf-8", b"\xef\xbb\xbf"),
        ("utf-16-le", b"\xff\xfe"),
        ("utf-16-be", b"\xfe\xff"),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lists_of_any_editor(tmp_path, encoding, mark, end):
    text = end.join(["", "горы", "two words ", "", "b", "  "])
    (tmp_path / "val.txt").write_bytes(mark + text.encode(encoding))
    assert read_lines(tmp_path / "val.txt") == ["горы", "two words", "b"]


def test_a_list_that_is_no_text(tmp_path):
    (tmp_path / "val.txt").write_bytes(b"\xff\xfea")
    with pytest.raises(InputError, match=r"val\.txt is damaged UTF-16"):
        read_lines(tmp_path / "val.txt")


def test_davis_trees_as_they_are_found(tmp_path):
    frames = [1, 2, 9, 10, 11]
    root = make_tree(tmp_path, ["two words", "b"], {"ImageSets/2016/val.txt": ""})
    (root / "ImageSets/2016/val.txt").write_bytes("\ufefftwo words\r\nb\r\n\r\n".encode())
    for name in ("two words", "b"):
        for folder, ending in (("JPEGImages", "jpg"), ("Annotations", "png")):
            place = root / folder / "480p" / name
            for path in list(place.iterdir()):
                path.unlink()
            for frame in frames:
                (place / f"{frame}.{ending}").touch()
                (place / f"._{frame}.{ending}").touch()
            (place / ".DS_Store").touch()
    found = find_sequences(root, SPLITS["davis16-val"])
    assert [sequence.name for sequence in found] == ["two words", "b"]
    for sequence in found:
        assert [path.name for path in sequence.frames] == [f"{frame}.jpg" for frame in frames]
        assert [path.name for path in sequence.masks] == [f"{frame}.png" for frame in frames]


def test_paths_with_blanks_in_a_list_of_2016(tmp_path):
    line = "/JPEGImages/480p/two words/00000.jpg /Annotations/480p/two words/00000.png\n"
    root = make_tree(tmp_path, ["two words"], {"ImageSets/480p/val.txt": line})
    (sequence,) = find_sequences(root, SPLITS["davis16-val"])
    assert sequence.name == "two words"


def test_an_image_that_is_named_unlike_the_others_is_said(tmp_path):
    for index in range(5):
        (tmp_path / f"frame_{index:04d}.png").touch()
    assert name_mixture(list_images(tmp_path), tmp_path) is None
    (tmp_path / "a_mask.png").touch()
    said = name_mixture(list_images(tmp_path), tmp_path)
    assert "has a_mask.png, named unlike the others, as a frame too; choose by a glob" in said
