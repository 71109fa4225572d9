"""Published numbers that a run is set beside: J and F in per cent, times in seconds a frame.

The paper's are those that could be confirmed; a number without a source is left out, and its cell
stays empty. The times of other methods are among those: the benchmark does not measure them.
"""

from typing import NamedTuple

SOURCES = {
    "paper": "Wang et al., RANet, ICCV 2019, arXiv 1908.06647",
    "benchmark 2016": "davischallenge.org, semi-supervised, json_data/global_eval_val_2016.js of "
    "davisvideochallenge.github.io at 9e184f8, which added RANet+; J&F is the mean of its J and F",
    "benchmark trainval": "the same site's global_eval_trainval_2016.js at 0908c7f; J&F likewise",
    "benchmark 2017": "the same site's global_eval_val_2017.js and global_eval_test-dev_2017.js at "
    "7eb28ce, which added RANet",
}
"""Where the numbers stand, by the name that the tables use."""

SCORES = ("J&F-Mean", "J-Mean", "J-Recall", "J-Decay", "F-Mean", "F-Recall", "F-Decay")
"""Columns of scores, named as in `summary.json`."""

SPEED = "s/frame"
"""Column of the time, online learning included."""


class Row(NamedTuple):
    """Published numbers of one method.

    Attributes:
        method: its name.
        source: a key of `SOURCES`.
        numbers: by column; what is not published is not in it.
    """

    method: str
    source: str
    numbers: dict[str, float]


class Table(NamedTuple):
    """A table as the paper has it.

    Attributes:
        title: what it is about.
        columns: of numbers.
        rows: published ones.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]


def _name(*scores: float) -> dict[str, float]:
    """Scores by column; without J&F where that is the mean of the J and F that are given."""
    if len(scores) == len(SCORES) - 1:
        scores = (round((scores[0] + scores[3]) / 2, 2), *scores)
    return dict(zip(SCORES, scores, strict=True))


def _read_benchmark(source: str, *rows: tuple) -> tuple[Row, ...]:
    """Rows of the benchmark's site: a method and its scores."""
    return tuple(Row(method, source, _name(*scores)) for method, *scores in rows)


TABLES = {
    "davis16-val": Table(
        "DAVIS16-val",
        (*SCORES, SPEED),
        (
            Row("RANet", "paper", _name(85.5, 85.5, 97.2, 6.2, 85.4, 94.9, 5.1) | {SPEED: 0.033}),
            Row("RANet+", "paper", _name(87.1, 86.6, 97.0, 7.4, 87.6, 96.1, 8.2) | {SPEED: 4.0}),
            *_read_benchmark(
                "benchmark 2016",
                ("PReMVOS", 84.9, 96.1, 8.8, 88.6, 94.7, 9.8),
                ("OSVOS-S", 85.6, 96.8, 5.5, 87.5, 95.9, 8.2),
                ("OnAVOS", 86.1, 96.1, 5.2, 84.9, 89.7, 5.8),
                ("CINM", 83.4, 94.9, 12.3, 85.0, 92.1, 14.7),
                ("VOSwL", 83.1, 95.7, 6.9, 84.2, 93.9, 8.6),
                ("Lucid", 83.9, 95.0, 9.1, 82.0, 88.1, 9.7),
                ("AGAME", 81.5, 93.6, 9.4, 82.2, 90.3, 9.8),
                ("RGMP", 81.5, 91.7, 10.9, 82.0, 90.8, 10.1),
                ("FEELVOS", 81.1, 90.5, 13.7, 82.2, 86.6, 14.1),
                ("FAVOS", 82.4, 96.5, 4.5, 79.5, 89.4, 5.5),
                ("OSVOS", 79.8, 93.6, 14.9, 80.6, 92.6, 15.0),
                ("MSK", 79.7, 93.1, 8.9, 75.4, 87.1, 9.0),
                ("PML", 75.5, 89.6, 8.5, 79.3, 93.4, 7.8),
                ("SFL", 76.1, 90.6, 12.1, 76.0, 85.5, 10.4),
                ("OSMN", 74.0, 87.6, 9.0, 72.9, 84.0, 10.6),
                ("CTN", 73.5, 87.4, 15.6, 69.3, 79.6, 12.9),
                ("SiamMask", 71.7, 86.8, 3.0, 67.8, 79.8, 2.1),
                ("VPN", 70.2, 82.3, 12.4, 65.5, 69.0, 14.4),
                ("PLM", 70.2, 86.3, 11.2, 62.5, 73.2, 14.7),
                ("OFL", 68.0, 75.6, 26.4, 63.4, 70.4, 27.2),
                ("BVS", 60.0, 66.9, 28.9, 58.8, 67.9, 21.3),
                ("FCP", 58.4, 71.5, -2.0, 49.2, 49.5, -1.1),
                ("JMP", 57.0, 62.6, 39.4, 53.1, 54.2, 38.4),
                ("HVS", 54.6, 61.4, 23.6, 52.9, 61.0, 22.7),
                ("SEA", 50.4, 53.1, 36.4, 48.0, 46.3, 34.5),
                ("TSP", 31.9, 30.0, 38.1, 29.7, 23.0, 35.7),
            ),
        ),
    ),
    "davis16-trainval": Table(
        "DAVIS16-trainval",
        (*SCORES, SPEED),
        (
            Row(
                "RANet, no video fine-tuning",
                "paper",
                {"J-Mean": 83.2, "J-Recall": 94.2, "J-Decay": 9.3},
            ),
            *_read_benchmark(
                "benchmark trainval",
                ("MSK", 80.3, 93.5, 8.9, 75.8, 88.2, 9.5),
                ("CTN", 75.5, 89.0, 14.4, 71.4, 84.8, 14.0),
                ("VPN", 75.0, 90.1, 9.3, 72.4, 84.2, 13.6),
                ("OFL", 71.1, 80.0, 22.7, 67.9, 78.0, 24.0),
                ("BVS", 66.5, 76.4, 26.0, 65.6, 77.4, 23.6),
                ("FCP", 63.1, 77.8, 3.1, 54.6, 60.4, 3.9),
                ("JMP", 60.7, 69.3, 37.2, 58.6, 65.6, 37.3),
                ("HVS", 59.6, 69.8, 19.7, 57.6, 71.2, 20.2),
                ("SEA", 55.6, 60.6, 35.5, 53.3, 55.9, 33.9),
                ("TSP", 35.8, 38.8, 38.5, 34.6, 32.9, 38.8),
            ),
        ),
    ),
    "davis17-val": Table(
        "DAVIS17-val",
        (*SCORES, SPEED),
        (
            Row("RANet", "paper", {"J&F-Mean": 65.7, "J-Mean": 63.2}),
            *_read_benchmark(
                "benchmark 2017",
                ("RANet", 65.72, 63.25, 73.66, 18.55, 68.19, 78.80, 19.72),
                ("PReMVOS", 77.83, 73.92, 83.08, 16.19, 81.75, 88.91, 19.50),
                ("FEELVOS", 71.53, 69.06, 79.07, 17.49, 74.00, 83.82, 20.14),
                ("AGAME", 71.05, 68.49, 78.39, 13.99, 73.61, 83.39, 15.76),
                ("CINM", 70.59, 67.20, 74.50, 24.64, 73.98, 81.64, 26.19),
                ("OSVOS-S", 68.01, 64.69, 74.15, 15.12, 71.33, 80.71, 18.48),
                ("RGMP", 66.72, 64.80, 74.14, 18.94, 68.64, 77.74, 19.62),
                ("OnAVOS", 65.38, 61.64, 67.37, 27.87, 69.13, 75.44, 26.61),
                ("VOSwL", 60.72, 57.99, 66.09, 22.44, 63.46, 70.36, 24.53),
                ("RVOS", 60.55, 57.54, 65.17, 24.87, 63.56, 73.17, 28.20),
                ("OSVOS", 60.27, 56.65, 63.80, 26.06, 63.90, 73.81, 26.96),
                ("FAVOS", 58.20, 54.56, 61.08, 14.10, 61.84, 72.25, 17.96),
                ("SiamMask", 56.40, 54.26, 62.80, 19.30, 58.54, 67.46, 20.97),
                ("OSMN", 54.80, 52.54, 60.86, 21.47, 57.06, 66.10, 24.26),
            ),
        ),
    ),
    "davis17-test-dev": Table(
        "DAVIS17-test-dev",
        (*SCORES, SPEED),
        (
            Row("RANet", "paper", {"J&F-Mean": 55.3, "J-Mean": 53.4}),
            *_read_benchmark(
                "benchmark 2017",
                ("RANet", 55.37, 53.44, 61.89, 21.93, 57.30, 67.68, 22.09),
                ("PReMVOS", 71.63, 67.50, 76.79, 21.67, 75.75, 84.28, 20.65),
                ("CINM", 67.50, 64.48, 73.83, 19.95, 70.52, 79.57, 19.96),
                ("Lucid", 66.65, 63.44, 73.96, 19.54, 69.87, 80.07, 19.51),
                ("FEELVOS", 57.80, 55.15, 62.65, 29.81, 60.44, 68.53, 33.45),
                ("OSVOS-S", 57.49, 52.93, 60.24, 24.10, 62.06, 70.51, 21.88),
                ("RGMP", 52.82, 51.26, 59.03, 34.34, 54.37, 61.90, 37.24),
                ("OnAVOS", 52.82, 49.91, 54.26, 22.99, 55.74, 60.28, 23.39),
                ("AGAME", 52.26, 49.22, 53.18, 28.89, 55.31, 61.11, 27.56),
                ("OSVOS", 50.92, 47.04, 52.15, 19.16, 54.80, 59.70, 19.76),
                ("RVOS", 50.26, 47.94, 54.40, 35.72, 52.58, 61.67, 36.70),
                ("FAVOS", 43.58, 42.94, 48.09, 18.14, 44.23, 51.11, 19.84),
                ("SiamMask", 43.17, 40.55, 44.45, 21.94, 45.78, 45.31, 22.43),
                ("OSMN", 41.29, 37.66, 38.87, 18.96, 44.91, 47.36, 17.38),
            ),
        ),
    ),
    "ablations": Table(
        "Ablations, DAVIS16-val",
        ("J-Mean",),
        (
            Row("full", "paper", {"J-Mean": 85.5}),
            Row("no ranking", "paper", {"J-Mean": 81.9}),
            Row("maximum", "paper", {"J-Mean": 81.1}),
            Row("no correlation", "paper", {"J-Mean": 67.5}),
            Row("no previous mask", "paper", {"J-Mean": 81.4}),
            Row("no image pre-training", "paper", {"J-Mean": 73.2}),
            Row("no video fine-tuning", "paper", {"J-Mean": 79.9}),
        ),
    ),
    "online": Table(
        "Online learning, DAVIS16-val",
        ("J&F-Mean", SPEED),
        (
            Row("RANet", "paper", {"J&F-Mean": 85.5, SPEED: 0.033}),
            Row("RANet+", "paper", {"J&F-Mean": 86.2, SPEED: 0.30}),
            Row("RANet+", "paper", {"J&F-Mean": 86.8, SPEED: 1.00}),
            Row("RANet+", "paper", {"J&F-Mean": 86.9, SPEED: 1.50}),
            Row("RANet+", "paper", {"J&F-Mean": 87.1, SPEED: 4.00}),
        ),
    ),
}
"""The tables by the split they are on, or what they compare: 1, 2 and 6 of the paper and those of
its ablations and of DAVIS17, whose numbers could not be confirmed."""
