"""Many videos in one command: lists, folders, and one that is broken."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import ranet_jax.remarks
from ranet_jax.errors import InputError
from ranet_jax.media.masks import write_mask
from ranet_jax.media.video import open_video
from ranet_jax.segment import __main__ as command_line
from ranet_jax.segment.many import Entry, find_unusable, pair_folders, read_list, run_all
from ranet_jax.segmenter import Segmenter
from tests.colour_network import GREEN, RED, ColourNetwork, mark, paint
from tests.segment.following import call_command, contents, read

SHAPES = {"red": (10, 60, 20, 100, RED), "green": (20, 80, 40, 120, GREEN)}


@pytest.fixture
def videos(tmp_path):
    """Two videos of three frames, a broken one between them, and their masks beside."""
    (tmp_path / "masks").mkdir()
    for name, shape in SHAPES.items():
        (tmp_path / "videos" / name).mkdir(parents=True)
        frame = paint(shape)
        for index in range(3):
            Image.fromarray(frame).save(tmp_path / "videos" / name / f"{index}.png")
        write_mask(tmp_path / "masks" / f"{name}.png", mark(frame=frame, **{name: 4}))
    (tmp_path / "videos" / "late.mp4").write_text("no video")
    write_mask(tmp_path / "masks" / "late.png", mark(frame=frame, green=1))
    (tmp_path / "videos" / "unmarked.mp4").write_text("nobody asked for it")
    return tmp_path


@pytest.fixture
def call(monkeypatch, capsys):
    """Runs the command; gives its exit code, what it prints, and the seconds of compilation."""
    tool = Segmenter(ColourNetwork(), {"nothing": np.zeros(1)})
    monkeypatch.setattr(command_line, "choose_network", lambda arguments: None)
    monkeypatch.setattr(Segmenter, "from_network", lambda *_, **__: tool)
    monkeypatch.setattr(ranet_jax.remarks, "_said", set())

    def call(*arguments):
        return *call_command(monkeypatch, capsys, arguments), len(tool._compiled)

    return call


def test_a_broken_video_does_not_stop_the_others(call, videos):
    out = videos / "out"
    code, printed, sizes = call(videos / "videos", "--masks", videos / "masks", "--out", out)
    assert code == 2 and sizes == 1, "one compilation for all"
    error = printed.err.splitlines()[-1]
    assert "1 of 3 videos were not segmented (late); the lines above say why" in error
    assert printed.out.startswith("late is left out: "), "said before anything is segmented"
    lines = printed.out.split("---")[-1].strip().splitlines()
    assert [line.split(":")[0] for line in lines] == ["green", "late", "red"]
    assert "late.mp4 cannot be read as a video" in lines[1] and "3 frames in" in lines[2]
    for name, shape in SHAPES.items():
        expected = mark(frame=paint(shape), **{name: 4})
        assert (read(out / name / "masks/2.png") == expected).mean() > 0.98
    before = contents(out / "red")
    # The broken one mended, the same command goes on with all.
    (videos / "videos/late.mp4").unlink()
    (videos / "videos/late").mkdir()
    Image.fromarray(paint(SHAPES["green"])).save(videos / "videos/late/0.png")
    arguments = videos / "videos", "--masks", videos / "masks", "--out", out, "--resume"
    code, printed, _ = call(*arguments)
    assert code == 0, printed
    assert contents(out / "red") == before and (out / "late/masks/0.png").exists()


def test_folders_with_dots_and_those_without_a_partner(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(ranet_jax.remarks, "_said", set())
    for name in ("2024.01.05", "2024.01.06"):
        (tmp_path / "videos" / name).mkdir(parents=True)
    (tmp_path / "videos/alone.mp4").touch()
    (tmp_path / "masks").mkdir()
    for name in ("2024.01.05.png", "2024.01.06.png", "other.png"):
        (tmp_path / "masks" / name).touch()
    entries = pair_folders(tmp_path / "videos", tmp_path / "masks")
    assert [(one.name, one.mask_paths[0].name) for one in entries] == [
        ("2024.01.05", "2024.01.05.png"),
        ("2024.01.06", "2024.01.06.png"),
    ]
    said = capsys.readouterr().err
    assert "of videos and masks 2 have no partner and are left out: alone.mp4, other.png" in said


def test_lists_take_folders_with_dots_as_they_are_called(tmp_path):
    for name in ("clip.v1", "clip.v2"):
        (tmp_path / name).mkdir()
    for name in ("clip.mp4", "1.png", "2.png", "3.png"):
        (tmp_path / name).touch()
    (tmp_path / "a.csv").write_text("video,mask\nclip.v1,1.png\nclip.v2,2.png\nclip.mp4,3.png\n")
    assert [one.name for one in read_list(tmp_path / "a.csv")] == ["clip.v1", "clip.v2", "clip"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("video,mask,Frame\na,b,3\n", "has the columns video, mask, Frame; its first line must be"),
        ("video,mask\na,b,3\n", "line 2: more values than columns; put quotes around a name"),
    ],
)
def test_columns_that_nothing_reads_are_refused(tmp_path, text, message):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        read_list(tmp_path / "a.csv")


def test_a_pattern_has_the_name_of_its_folder(videos, monkeypatch):
    """Also where the list's own folder looks like a pattern."""
    home = (videos / "videos").rename(videos / "shots [1]")
    (home / "list.csv").write_text(
        "video,mask\nred/*.png,../masks/red.png\ngreen/*.png,../masks/green.png\n"
    )
    with (home / "list.csv").open("a") as file:
        file.write(f"{videos}/more/*.png,../masks/red.png\n")  # an absolute one
    shutil.copytree(home / "red", videos / "more")
    entries = read_list(home / "list.csv")
    assert [entry.name for entry in entries] == ["red", "green", "more"]
    for entry in entries:
        with open_video(entry.source) as video:
            assert len(list(video)) == 3


@pytest.mark.parametrize(
    ("video", "mask"),
    [("none/*.png", "red.png"), ("0", "red.png"), ("videos/red/*.png", "re[d].png")],
)
def test_a_list_has_no_camera_no_pattern_of_nothing_and_no_pattern_of_masks(videos, video, mask):
    (videos / "list.csv").write_text(f"video,mask\n{video},masks/{mask}\n")
    with pytest.raises(InputError, match=r"line 2: .*(png|0) does not exist; mend the line"):
        read_list(videos / "list.csv")


def test_what_the_system_refuses_does_not_stop_the_others(capsys):
    def run(entry):
        if entry.name == "b":
            raise PermissionError(13, "Permission denied", "b.mp4")
        return "done"

    entries = [Entry(name, name, {}) for name in "abc"]
    with pytest.raises(InputError, match=r"1 of 3 videos were not segmented \(b\)"):
        run_all(entries, {}, run)
    assert "b: b.mp4: Permission denied\nc: done" in capsys.readouterr().out
    assert find_unusable(entries, run) == {"b": "b.mp4: Permission denied"}


def test_a_list(call, videos):
    text = "video,mask,frame\nvideos/red,masks/red.png,\nvideos/green,masks/green.png,0\n"
    write_mask(videos / "more.png", mark(frame=paint(SHAPES["red"]), red=7))
    (videos / "a.csv").write_text(text + "videos/red,more.png,1\n")
    code, printed, _ = call(videos / "a.csv", "--out", videos / "out")
    assert code == 0, printed
    assert set(np.unique(read(videos / "out/red/masks/2.png"))) <= {0, 4, 7}
    assert set(np.unique(read(videos / "out/red/masks/1.png"))) == {0, 7}
    assert set(np.unique(read(videos / "out/green/masks/2.png"))) == {0, 4}
    for more in (["--mask", "a.png"], ["--masks", "masks"]):
        code, printed, _ = call(videos / "a.csv", "--out", videos / "b", *more)
        assert code == 2 and len(printed.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a.mp4,a.png\n", r"has the columns a\.mp4, a\.png; its first line must be video,mask"),
        ("video;mask\n", "has the columns video;mask; its first line must be .* with commas"),
        ("", "is empty; give a line video,mask and one for each mask"),
        ("video,mask\n", "has no line below its first; give one for each mask"),
        ("video,mask\na.mp4,\n", "line 2: the mask is missing; give both"),
        ("video,mask\n,a.png\n", "line 2: the video is missing; give both"),
        ("video,mask,frame\na.mp4,a.png,x\n", "line 2: frame x is no number; frames are counted"),
        (
            "video,mask\na.mp4,a.png\nc.mp4,b.png\n",
            r"line 3: .*c\.mp4 does not exist; mend the line",
        ),
        ("video,mask\na.mp4,c.png\n", r"line 2: .*c\.png does not exist; mend the line"),
        ("video,mask\na.mp4,a.png\na.mp4,b.png\n", r"line 3: frame 0 of a\.mp4 has a mask already"),
        ("video,mask\na.mp4,a.png\nb/a.mov,b.png\n", "have one name, a, and so one folder"),
        ("video,mask,frame\na.mp4,a.png,3\n", "has no mask of its first frame"),
        ("video,mask\n\xff,a.png\n", "line 2: .* does not exist; mend the line"),
        (f"video,mask\n{200000 * 'a'},a.png\n", "cannot be read as a CSV file"),
        ("video,mask,mask\na.mp4,a.png,b.png\n", "has the columns video, mask, mask; its first"),
    ],
)
def test_lists_that_cannot_be_used(tmp_path, text, message):
    (tmp_path / "b").mkdir()
    for name in ("a.mp4", "a.png", "b.png", "b/a.mov"):
        (tmp_path / name).touch()
    (tmp_path / "a.csv").write_text(text, encoding="latin-1")
    with pytest.raises(InputError, match=message):
        read_list(tmp_path / "a.csv")


def test_a_list_that_does_not_exist(tmp_path):
    with pytest.raises(
        InputError, match=r"a\.csv does not exist; give a CSV file with the columns"
    ):
        read_list(tmp_path / "a.csv")


def test_folders_that_cannot_be_used(tmp_path):
    with pytest.raises(InputError, match="is no folder"):
        pair_folders(tmp_path / "none", tmp_path)
    (tmp_path / "masks").mkdir()
    with pytest.raises(InputError, match="has no video with a mask"):
        pair_folders(tmp_path, tmp_path / "masks")
    (tmp_path / "clip.v1.mp4").touch()
    with pytest.raises(
        InputError, match=r"no video of .* has a mask in .*masks; .* such as clip\.v1\.png"
    ):
        pair_folders(tmp_path, tmp_path / "masks")
    for name in ("a.png", "a.gif"):
        (tmp_path / "masks" / name).touch()
    with pytest.raises(InputError, match=r"a\.png and .*a\.gif are masks of one video"):
        pair_folders(tmp_path, tmp_path / "masks")


def test_masks_of_a_wrong_size_are_known_before_the_first_video_is_segmented(call, videos):
    (videos / "videos/late.mp4").unlink()
    write_mask(videos / "masks/red.png", np.ones((8, 8), np.uint8))
    arguments = videos / "videos", "--masks", videos / "masks", "--out", videos / "out"
    code, printed, _ = call(*arguments)
    assert code == 2
    said, done = printed.out.split("--- green")
    assert "red is left out" in said and "red.png is 8 x 8 but the frames are" in said
    assert "3 frames in" in done and not (videos / "out/red").exists()


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_lists_as_windows_writes_them(tmp_path, encoding):
    for name in ("höhe.mp4", "höhe.png"):
        (tmp_path / name).touch()
    text = "video,mask\r\nhöhe.mp4,höhe.png\r\n"
    (tmp_path / "a.csv").write_bytes(text.encode(encoding))
    assert [one.name for one in read_list(tmp_path / "a.csv")] == ["höhe"]


def test_a_folder_that_is_named_by_where_it_lies_has_its_own_name(tmp_path, monkeypatch):
    (tmp_path / "shot/lists").mkdir(parents=True)
    for name in ("0.png", "lists/0.png"):
        (tmp_path / "shot" / name).touch()
    for folder, row in ((tmp_path / "shot/lists", "..,0.png"), (tmp_path / "shot", ".,0.png")):
        (folder / "a.csv").write_text(f"video,mask\n{row}\n")
        monkeypatch.chdir(folder)
        assert [one.name for one in read_list(Path("a.csv"))] == ["shot"]


def test_nothing_is_loaded_where_no_video_can_be_segmented(call, videos, monkeypatch):
    for path in (videos / "masks").iterdir():
        write_mask(path, np.ones((8, 8), np.uint8))
    monkeypatch.setattr(command_line, "choose_network", lambda arguments: pytest.fail("loaded"))
    arguments = videos / "videos", "--masks", videos / "masks", "--out", videos / "out"
    code, printed, _ = call(*arguments)
    assert code == 2 and printed.err.splitlines()[-1] == (
        "error: no video can be segmented; the lines above say why"
    )


def test_more_objects_than_can_be_learned_are_known_before_the_first_video(
    call, videos, monkeypatch
):
    mask = np.zeros((128, 96), np.uint8)
    mask[::4, ::4] = 1 + np.arange(32 * 24).reshape(32, 24) % 17
    for name in SHAPES:
        frames = Image.open(videos / "videos" / name / "0.png").size
        write_mask(videos / "masks" / f"{name}.png", np.resize(mask, frames[::-1]))
    monkeypatch.setattr(command_line, "choose_network", lambda arguments: pytest.fail("loaded"))
    arguments = videos / "videos", "--masks", videos / "masks", "--out", videos / "out"
    code, printed, _ = call(*arguments, "--online-steps", 2)
    assert code == 2 and "online learning of 17 objects; at most 16 fit" in printed.out
