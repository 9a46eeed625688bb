"""CSV views: POPNAS's names and headers, and files only where they apply."""

import csv

import pytest

from popnas.runs import RunFolder, replay, write_csv


@pytest.fixture
def folder(tmp_path):
    return RunFolder(tmp_path / "run")


def table(folder, name):
    with (folder.csv / name).open(newline="") as stream:
        return list(csv.reader(stream))


def test_all_files_of_a_finished_search(folder, events):
    names = write_csv(folder, replay(events))
    assert sorted(names) == sorted(item.name for item in folder.csv.iterdir())
    assert sorted(names) == [
        "children.csv",
        "exploration_pareto_front_B2.csv",
        "pareto_front_B2.csv",
        "reindex_op_inference_times.csv",
        "reindex_op_times.csv",
        "search_results.csv",
        "training_overview.csv",
        "training_results.csv",
    ]


def test_training_results(folder, events, sample):
    write_csv(folder, replay(events))
    header, *rows = table(folder, "training_results.csv")
    assert ",".join(header) == (
        "best val accuracy,val F1 score,val top k accuracy,training time(seconds),inference time(seconds),"
        "total params,flops,# blocks,cell structure,exploration,error"
    )
    assert [row[8] for row in rows] == ["[]", *sample.SINGLE, *sample.DOUBLE]
    assert rows[1] == [
        "0.8",
        "0.79",
        "1.0",
        "2.0",
        "0.002",
        "300",
        "3000",
        "1",
        sample.SINGLE[0],
        "False",
        "",
    ]
    assert rows[3] == [""] * 7 + ["1", sample.SINGLE[2], "False", "nan: the loss is no number"]
    assert rows[-1][9] == "True"


def test_segmentation_has_other_metrics(folder, triples, sample):
    triples[0][1]["config"] = {"dataset": {"type": "image_segmentation"}}
    triples[2] = sample.evaluation("[]", 0, 0, 0.5, 1.0, metrics={"accuracy": 0.75, "mean_iou": 0.5})
    write_csv(folder, replay(sample.number(triples)))
    header, first, *_ = table(folder, "training_results.csv")
    assert header[:3] == ["best val accuracy", "val mean IoU", "training time(seconds)"]
    assert first[:2] == ["0.75", "0.5"]


def test_training_overview_counts_successes_only(folder, events):
    write_csv(folder, replay(events))
    header, *rows = table(folder, "training_overview.csv")
    assert ",".join(header) == (
        "# blocks,avg training time(s),max time,min time,avg val score,max score,min score"
    )
    assert rows[1] == ["1", "1.5", "2.0", "1.0", "0.65", "0.8", "0.5"]
    assert [row[0] for row in rows] == ["0", "1", "2"]


def test_fronts(folder, events, sample):
    write_csv(folder, replay(events))
    header = ["time", "val score", "params", "inference_time", "cell structure", "flops"]
    assert table(folder, "pareto_front_B2.csv") == [header, ["3.0", "0.9", "", "", sample.DOUBLE[0], ""]]
    assert table(folder, "exploration_pareto_front_B2.csv") == [
        header,
        ["3.0", "0.9", "", "", sample.DOUBLE[1], ""],
    ]


def test_the_small_ones(folder, events, sample):
    write_csv(folder, replay(events))
    assert table(folder, "reindex_op_times.csv") == [
        ["operator", "cost"],
        ["3x3 conv", "1.0"],
        ["identity", "0.25"],
    ]
    header, *rows = table(folder, "children.csv")
    assert header == ["# blocks", "cell structure", "exploration"]
    assert len(rows) == 6
    header, row = table(folder, "search_results.csv")
    found = dict(zip(header, row, strict=True))
    assert found["cell structure"] == sample.DOUBLE[0]
    assert found["best val score"] == "0.9"
    assert (found["trained cells"], found["failed cells"]) == ("6", "1")
    assert found["all training time(seconds)"] == "10.5"
    assert found["finished"] == "completed"


def test_multi_output(folder, triples, sample):
    heads = [{"accuracy": 0.25, "f1_score": 0.2}, {"accuracy": 0.5, "f1_score": 0.4, "top_k_accuracy": 1.0}]
    triples[5] = sample.evaluation(sample.SINGLE[0], 1, 0, 0.5, 1.0, head_metrics=heads)
    assert "multi_output.csv" in write_csv(folder, replay(sample.number(triples)))
    assert table(folder, "multi_output.csv") == [
        ["# blocks", "cell structure", "output", "best val accuracy", "val F1 score", "val top k accuracy"],
        ["1", sample.SINGLE[0], "0", "0.25", "0.2", ""],
        ["1", sample.SINGLE[0], "1", "0.5", "0.4", "1.0"],
    ]


def test_after_any_event_the_views_can_be_written(folder, events):
    for number in range(len(events) + 1):
        write_csv(folder, replay(events[:number]))
    assert not [item for item in folder.csv.iterdir() if item.suffix != ".csv"]


def test_a_search_in_which_everything_failed(folder, sample):
    state = replay(sample.number([sample.proposals(0, ["[]"]), sample.failed("[]", 0, 0)]))
    assert write_csv(folder, state) == ["training_results.csv", "children.csv"]
