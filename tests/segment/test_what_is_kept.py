"""What a run may not lose or take for something else: old results, and files of the user's."""

import shutil

import numpy as np
import pytest
from PIL import Image

from ranet_jax.errors import InputError
from ranet_jax.media.masks import write_mask
from ranet_jax.segment.confidence import Confidence, find_doubtful
from ranet_jax.segment.many import pair_folders
from ranet_jax.segment.same_run import find_differing
from tests.segment.following import COUNT, contents, read, run


class FailingLearner:
    """Comes to no end, as one whose loss is not finite."""

    steps, rate, seed, seconds, compile_seconds = 3, 1e-4, 0, 0.0, 0.0

    def compile(self, objects):
        pass

    def learn(self, frame, mask, report_step):
        raise InputError("the loss is not finite")


def test_old_results_stay_until_the_first_new_one(folder, masks, undisturbed, tmp_path):
    shutil.copytree(undisturbed, tmp_path / "out")
    overlay = (tmp_path / "out/overlay.mp4").read_bytes()
    with pytest.raises(InputError, match="not finite"):
        run(folder, masks, tmp_path / "out", overwrite=True, learner=FailingLearner())
    assert contents(tmp_path / "out") == contents(undisturbed)
    assert (tmp_path / "out/overlay.mp4").read_bytes() == overlay

    def interrupt(frame, mask):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(folder, masks, tmp_path / "out", overwrite=True, report_frame=interrupt)
    assert [path.name for path in tmp_path.glob("out/masks/*")] == ["shot 0.png"]
    run(folder, masks, tmp_path / "out", resume=True)
    assert contents(tmp_path / "out") == contents(undisturbed)


def test_folders_that_are_links_stay(folder, masks, undisturbed, tmp_path):
    shutil.copytree(undisturbed, tmp_path / "out")
    (tmp_path / "out/masks").rename(tmp_path / "elsewhere")
    (tmp_path / "out/masks").symlink_to(tmp_path / "elsewhere")
    run(folder, masks, tmp_path / "out", overwrite=True, max_frames=4)
    assert (tmp_path / "out/masks").is_symlink()
    assert len(list((tmp_path / "elsewhere").iterdir())) == 4


@pytest.mark.parametrize("flag", ["--overwrite", "--resume"])
def test_a_mask_among_the_results_is_copied_first(call, folder, undisturbed, tmp_path, flag):
    shutil.copytree(undisturbed, tmp_path / "out")
    painted = tmp_path / "out/masks/shot 3.png"
    first = ("--mask", undisturbed / "masks/shot 0.png")
    code, text = call(folder, "--out", tmp_path / "out", *first, "--replace", f"3={painted}", flag)
    assert code == 2
    assert "shot 3.png is among the results in" in text and "copy it to another folder" in text
    assert contents(tmp_path / "out") == contents(undisturbed)


def test_a_mask_among_the_frames_is_no_frame(call, folder, masks, tmp_path):
    shutil.copytree(folder, tmp_path / "frames")
    write_mask(tmp_path / "frames/first.png", masks[0])
    mask = ("--mask", tmp_path / "frames/first.png", "--out", tmp_path / "out")
    copy = shutil.copy(tmp_path / "frames/first.png", tmp_path / "copy.png")
    for source in (tmp_path / "frames", tmp_path / "frames" / "*.png"):
        code, text = call(source, *mask)
        assert code == 2
        assert "first.png is a mask (" in text and "would be a frame of" in text, "one clear line"
    # Nor is a copy of it, where the mask itself lies elsewhere.
    code, text = call(tmp_path / "frames", "--mask", copy, "--out", tmp_path / "out")
    assert code == 2 and f"frames/first.png is a mask ({copy}), and would be a frame of" in text
    assert call(tmp_path / "frames" / "shot*.png", *mask, "--max-frames", 2)[0] == 0


@pytest.mark.parametrize("change", ["colours", "size", "palette"])
def test_results_that_another_program_saved(folder, masks, undisturbed, tmp_path, change):
    shutil.copytree(undisturbed, tmp_path / "out")
    path = tmp_path / "out/masks/shot 2.png"
    image = Image.open(path)
    if change == "size":
        image = image.resize((20, 30))
    elif change == "colours":
        image = image.convert("RGB")
    else:
        image = image.convert("RGB").quantize(8)
    image.save(path)
    with pytest.raises(InputError, match=r"shot 2\.png was saved by another program, and its ids"):
        run(folder, masks, tmp_path / "out", resume=True)


def test_a_run_that_lacks_the_labels_of_its_last_frame(folder, masks, tmp_path):
    run(folder, masks, tmp_path / "out", max_frames=4)
    label = tmp_path / "out/.progress/labels/000003.png"
    for damage in (lambda: label.write_bytes(b""), label.unlink):
        damage()
        with pytest.raises(InputError, match=r"000003\.png is missing or damaged, .* start anew"):
            run(folder, masks, tmp_path / "out", resume=True)


def test_a_run_of_an_earlier_version_goes_on(folder, masks, undisturbed, tmp_path):
    """Its labels are among what it keeps of the last frame."""
    run(folder, masks, tmp_path / "out", max_frames=4)
    label, state = (
        tmp_path / "out/.progress" / name for name in ("labels/000003.png", "state.npz")
    )
    with np.load(state) as saved:
        assert "labels" not in saved
        known = dict(saved) | {"labels": read(label)}
    np.savez_compressed(state, **known)
    label.unlink()
    run(folder, masks, tmp_path / "out", resume=True)
    assert contents(tmp_path / "out") == contents(undisturbed)


def test_frames_are_named_where_their_names_have_other_numbers(call, masks, tmp_path, folder):
    (tmp_path / "frames").mkdir()
    for index in range(COUNT):
        shutil.copy(folder / f"shot {index}.png", tmp_path / f"frames/{index + 1:04d}.png")
    for index, mask in masks.items():
        write_mask(tmp_path / f"{index}.png", mask)
    arguments = ("--mask", tmp_path / "0.png", "--replace", f"3={tmp_path / '3.png'}")
    code, text = call(tmp_path / "frames", *arguments, "--out", tmp_path / "out")
    assert code == 0, text
    assert "3 named 0004" in text and "0 named 0001" in text
    assert "most need a look" in text
    for word in text.split("need a look: ")[1].split("; all in")[0].split("), "):
        number, name = word.split(" (")[0].split(" named ")
        assert int(name) == int(number) + 1


def test_a_folder_of_a_camera(tmp_path):
    """With what cameras and paint programs leave beside videos and masks, all in one folder."""
    for name in ("a.MP4", "a.SRT", "a.THM", "a.LRV", "a.png", "a.xcf", "b.MP4", "b.png"):
        (tmp_path / name).touch()
    entries = pair_folders(tmp_path, tmp_path)
    assert [(one.name, one.source, one.mask_paths[0].name) for one in entries] == [
        ("a", str(tmp_path / "a.MP4"), "a.png"),
        ("b", str(tmp_path / "b.MP4"), "b.png"),
    ]


def test_doubtful_frames_are_those_of_all_rows_at_once():
    """They are found in one pass, with few rows kept; here beside all of them, sorted."""
    generator = np.random.default_rng(0)
    for _ in range(20):
        means, lost = generator.uniform(0.2, 1, (200, 3)), generator.uniform(size=(200, 3)) < 0.1
        rows = [
            Confidence(i, str(i), one, 0.0 if lost[i, one] else means[i, one], 9 - 9 * lost[i, one])
            for i in range(200)
            for one in range(3)
        ]
        begun = [
            row for row in rows if row.is_found or not (row.frame and lost[row.frame - 1][row.id])
        ]
        expected = []
        for row in sorted(begun, key=lambda row: (row.mean if row.is_found else -1.0, row.frame)):
            if len(expected) < 5 and all(abs(row.frame - one.frame) >= 5 for one in expected):
                expected.append(row)
        assert find_doubtful(iter(rows)) == expected


def test_settings_that_differ_are_named():
    """By their own name, also where they are a part of the network's description."""
    now = {"precision": "float32", "network": {"protocol": {"memory_every": 5, "locality": 0.0}}}
    before = {"precision": "float32", "network": {"protocol": {"memory_every": 0, "locality": 0.0}}}
    assert find_differing(now, before) == ["memory_every"]
    assert find_differing(now, now) == []
    assert find_differing(now, now | {"newer": 1}) == ["newer"]
    assert find_differing(now, before | {"precision": "bfloat16"}) == ["precision", "memory_every"]
