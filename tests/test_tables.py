"""The tables: which line a summary gets, what stays empty, and what the files say."""

import csv
import dataclasses
import json
import re

import pytest

from ranet_jax.errors import InputError
from ranet_jax.models.ranet import RANet, small_ranet
from ranet_jax.protocol import TRAINED, Protocol
from ranet_jax.tables.formats import write_grids
from ranet_jax.tables.grids import build_grids
from ranet_jax.tables.published import SCORES, SOURCES, TABLES
from ranet_jax.tables.runs import name_variant, read_run
from ranet_jax.weights.network import Network, describe_model, describe_network
from ranet_jax.weights.packed import load_shipped


def write(folder, split="davis16-val", sequences=20, frames=1356, **fields):
    """A summary whose scores are 0.51, 0.52, ... and whose network is the paper's."""
    folder.mkdir(parents=True)
    summary = {
        "split": split,
        "sequences": [f"video{number}" for number in range(sequences)],
        "max_frames": None,
        "frames": frames,
        "scores": {name: 0.51 + 0.01 * place for place, name in enumerate(SCORES)},
        "ms_per_frame_median": 250.0,
        "device": "1 x test",
        "model": describe_model(RANet()),
    } | fields
    kept = {name: value for name, value in summary.items() if value != "absent"}
    (folder / "summary.json").write_text(json.dumps(kept))
    return str(folder)


def lines(table, *arguments):
    """The rows of a table, as a mapping from columns to cells."""
    grid = build_grids([read_run(argument) for argument in arguments])[table]
    return [dict(zip(grid.header, row, strict=True)) for row in grid.rows]


def own(table, *arguments):
    """The lines of a table in which something was measured here."""
    return [
        line
        for line in lines(table, *arguments)
        if line["numbers"].startswith("here") and line["source"]
    ]


def test_a_full_run_stands_below_the_published_row(tmp_path):
    published, here, after, *_ = lines("davis16-val", write(tmp_path / "run"))
    assert after["method"] == "RANet+", "no empty line where something was measured"
    assert (published["method"], published["numbers"]) == ("RANet", "published")
    assert here["method"] == "RANet"
    assert here["numbers"] == "here"
    assert [here[name] for name in SCORES] == [
        "51.0",
        "52.0",
        "53.0",
        "54.0",
        "55.0",
        "56.0",
        "57.0",
    ]
    assert here["s/frame"] == "0.250"
    assert here["device"] == "1 x test"
    assert here["source"] == f"{tmp_path}/run/summary.json"


@pytest.mark.parametrize(
    ("fields", "mark"),
    [
        ({"sequences": 4, "frames": 185}, "4 of 20 sequences, 185 of 1356 frames"),
        ({"max_frames": 10, "frames": 180}, "20 of 20 sequences, at most 10 frames each"),
        (
            {"max_frames": 10, "sequences": 2, "frames": "absent"},
            "2 of 20 sequences, at most 10 frames each",
        ),
        ({"sequences": 4, "frames": "absent"}, "4 of 20 sequences"),
        ({"frames": 1355}, "20 of 20 sequences, 1355 of 1356 frames"),
        ({"max_frames": 5, "frames": "absent"}, "20 of 20 sequences, at most 5 frames each"),
    ],
)
def test_a_part_of_a_split_is_marked_wherever_it_stands(tmp_path, fields, mark):
    path = write(tmp_path / "run", **fields)
    for table in ("davis16-val", "ablations", "online"):
        (line,) = own(table, path)
        assert line["numbers"] == f"here, PARTIAL: {mark}"


def test_a_limit_longer_than_every_video_is_no_part(tmp_path):
    (line,) = own("davis16-val", write(tmp_path / "run", max_frames=1000))
    assert line["numbers"] == "here"


def test_what_was_not_measured_stays_empty():
    for table in TABLES:
        for line in lines(table):
            if line["numbers"] == "here":
                cells = [line[name] for name in line if name not in ("method", "numbers")]
                assert not any(cells)
    assert [line["method"] for line in lines("ablations") if line["numbers"] == "here"] == [
        row.method for row in TABLES["ablations"].rows
    ]


def test_a_score_that_a_table_has_not_is_left_out_and_a_time_that_a_run_has_not_is_empty(tmp_path):
    path = write(tmp_path / "run", ms_per_frame_median="absent", frames="absent")
    (line,) = own("online", path)
    assert line["J&F-Mean"] == "51.0"
    assert line["s/frame"] == ""
    assert "J-Mean" not in line


def test_online_learning_counts_its_time_and_names_its_steps(tmp_path):
    runs = [
        write(tmp_path / str(steps), online_steps=steps, seconds_per_frame=1.5) for steps in (20, 9)
    ]
    for table in ("davis16-val", "online"):
        found = own(table, *runs)
        assert [line["method"] for line in found] == ["RANet+", "RANet+"]
        assert [line["numbers"] for line in found] == ["here, 20 steps", "here, 9 steps"]
        assert found[0]["s/frame"] == "1.500"
    assert not own("ablations", *runs)


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({}, "full"),
        ({"selection": "spatial"}, "no ranking"),
        ({"selection": "maximum"}, "maximum"),
        ({"selection": "features"}, "no correlation"),
        ({"use_previous": False}, "no previous mask"),
        (
            {"selection": "maximum", "activation": "softmax"},
            "maximum, softmax over objects",
        ),
        ({"ranking_rule": "multi"}, "full"),
        ({"blocks": (3, 4, 6, 3)}, "another size"),
        ({"top_k": 64}, "another size"),
        ({"learned_scores": False, "width": 32}, "no ranking network, another size"),
    ],
)
def test_a_network_says_which_ablation_it_is(fields, name):
    assert name_variant({"model": describe_model(RANet(**fields))}) == name


def test_a_network_of_an_earlier_version_says_what_it_is():
    """Summaries of that time call some fields otherwise, and lack some."""
    fields = describe_model(RANet())
    for new, old in {"top_k": "kept", "ranking_rule": "rule", "activation": "decision"}.items():
        fields[old] = fields.pop(new)
    del fields["learned_scores"], fields["head_width"]
    assert name_variant({"model": fields}) == "full"
    assert name_variant({"model": fields | {"kept": 64}}) == "another size"


def test_another_protocol_is_named():
    network = Network(RANet(), None, {}, Protocol(locality=0.1))
    assert name_variant(describe_network(network)) == "another protocol"


def test_how_a_network_was_trained_is_no_other_protocol():
    network = Network(RANet(), None, {}, dataclasses.replace(TRAINED, online_rate=1e-4))
    assert name_variant(describe_network(network)) == "full"


def test_what_ships_has_the_name_of_its_recipes():
    shipped = describe_network(load_shipped())
    assert name_variant(shipped) == "compact_fine at 256 x 448, frame_canvas 480 x 864"
    shipped["model"] |= {"use_previous": False, "learned_scores": True, "top_k": 64}
    shipped["protocol"] |= {"frame_canvas": None, "locality": 0.1}
    assert name_variant(shipped) == (
        "compact_fine at 256 x 448, top_k 64, no previous mask, learned scores, locality 0.1"
    )


def test_a_small_network_never_passes_for_the_papers(tmp_path):
    path = write(tmp_path / "run", model=describe_model(small_ranet()))
    assert own("davis16-val", path)[0]["method"] == "RANet, small at 160 x 288"
    assert not own("online", path)


def test_a_name_moves_a_run_to_its_row(tmp_path):
    path = write(tmp_path / "a=b")
    (line,) = own("ablations", f"no image pre-training={path}")
    assert line["method"] == "no image pre-training"
    assert own("davis16-val", path)[0]["method"] == "RANet", "a path may hold ="
    path = write(tmp_path / "stage1", "davis16-trainval", 50, 3405)
    published, here, *_ = lines("davis16-trainval", f"no video fine-tuning={path}")
    assert published["method"] == here["method"] == "RANet, no video fine-tuning"
    assert (published["J-Mean"], here["J-Mean"]) == ("83.2", "52.0")


def test_test_dev_has_times_but_no_scores(tmp_path):
    path = write(tmp_path / "run", "davis17-test-dev", 30, 2056, scores="absent")
    (line,) = own("davis17-test-dev", path)
    assert line["s/frame"] == "0.250"
    assert not any(line[name] for name in SCORES)


def test_published_numbers_are_those_of_the_paper():
    row = {row.method: row.numbers for row in TABLES["davis16-val"].rows}
    assert list(row["RANet"].values()) == [85.5, 85.5, 97.2, 6.2, 85.4, 94.9, 5.1, 0.033]
    assert list(row["RANet+"].values()) == [87.1, 86.6, 97.0, 7.4, 87.6, 96.1, 8.2, 4.0]
    ablations = {row.method: row.numbers["J-Mean"] for row in TABLES["ablations"].rows}
    assert list(ablations.values()) == [85.5, 81.9, 81.1, 67.5, 81.4, 73.2, 79.9]
    paper = {
        (key, row.method, *row.numbers.values())
        for key, table in TABLES.items()
        for row in table.rows
        if row.source == "paper" and key not in ("davis16-val", "ablations")
    }
    assert paper == {
        ("davis16-trainval", "RANet, no video fine-tuning", 83.2, 94.2, 9.3),
        ("davis17-val", "RANet", 65.7, 63.2),
        ("davis17-test-dev", "RANet", 55.3, 53.4),
        ("online", "RANet", 85.5, 0.033),
        ("online", "RANet+", 86.2, 0.30),
        ("online", "RANet+", 86.8, 1.00),
        ("online", "RANet+", 86.9, 1.50),
        ("online", "RANet+", 87.1, 4.00),
    }
    trainval = next(row for row in TABLES["davis16-trainval"].rows if row.source == "paper")
    assert list(trainval.numbers) == ["J-Mean", "J-Recall", "J-Decay"]
    # Of the benchmark: J and F as printed there, and their mean.
    assert list(row["OSVOS-S"].values()) == [86.55, 85.6, 96.8, 5.5, 87.5, 95.9, 8.2]
    cells = {line["method"]: line for line in lines("davis16-val")}
    assert cells["OSVOS-S"]["J-Mean"] == "85.6"
    assert cells["OSVOS-S"]["s/frame"] == "", "no source, no number"
    assert {row.source for table in TABLES.values() for row in table.rows} == SOURCES.keys()


def test_files_hold_the_same_cells(tmp_path):
    runs = [write(tmp_path / "a|b", sequences=4, frames=100), write(tmp_path / "c", online_steps=5)]
    grids = build_grids([read_run(run) for run in runs])
    write_grids(grids, tmp_path / "out")
    tables = re.split(r"^## .*$", (tmp_path / "out/tables.md").read_text(), flags=re.MULTILINE)[1:]
    text = (tmp_path / "out/tables.txt").read_text()
    for (key, grid), table in zip(grids.items(), tables, strict=True):
        expected = [list(grid.header), *map(list, grid.rows)]
        with (tmp_path / f"out/{key}.csv").open(newline="") as file:
            assert list(csv.reader(file)) == expected
        parsed = [
            [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
            for line in table.splitlines()
            if line.startswith("|")
        ]
        assert [parsed[0], *parsed[2:]] == expected
        assert grid.title in text
    assert "PARTIAL: 4 of" in text
    assert not list((tmp_path / "out").glob(".*")), "nothing unfinished"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "does not exist; evaluate.py writes it"),
        ("{", "is no summary of evaluate.py"),
        ("[]", "is no summary of evaluate.py"),
        ('{"split": "davis16-val"}', "is no summary of evaluate.py"),
        ('{"split": "davis16-val", "sequences": []}', "is no summary of evaluate.py"),
        ({"scores": {name: "0.5" for name in SCORES}}, "is no summary of evaluate.py"),
        ('{"split": "ytvos", "videos": []}', "is of ytvos; there are tables of davis16-val"),
        ({"split": "davis17-train"}, "is of davis17-train; there are tables of davis16-val"),
        ({"model": "absent"}, "write full="),
    ],
)
def test_what_is_no_summary_is_refused_in_one_line(tmp_path, content, message):
    path = tmp_path / "run"
    if isinstance(content, dict):
        write(path, **content)
    else:
        path.mkdir()
        if content:
            (path / "summary.json").write_text(content)
    with pytest.raises(InputError) as error:
        read_run(str(path))
    assert message in str(error.value)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_name_makes_up_for_a_summary_that_names_no_network(tmp_path):
    path = write(tmp_path / "run", model="absent")
    assert own("ablations", f"full={path}")[0]["method"] == "full"
