"""A campaign over an archive: what suits each problem, what is resumed, what fails alone."""

import csv
import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from popnas.cli import main
from popnas.errors import DataError, UserError
from popnas.events import Told, Warned
from popnas.report.sections import ensembles
from popnas.report.sections.ensembles import EnsembleMember, EnsemblePlan, EnsembleSize
from popnas.report.statistics import Interval
from popnas.runs.lock import RunLock
from popnas.workflows.data import sizing
from popnas.workflows.models.selection import SelectedModel
from popnas.workflows.settings import load_config
from popnas.workflows.whole.archives import campaign, problems, published
from popnas.workflows.whole.archives.request import CampaignRequest

FIGURES = [(1, (0.8, 0.5)), (2, (0.95, 0.4))]


def write_problem(folder, name, number=40, classes=2):
    (folder / name).mkdir(parents=True)
    generator = np.random.default_rng(0)
    y = np.arange(number) % classes
    for split in ("train", "test"):
        np.savez(folder / name / f"{split}.npz", x=generator.normal(size=(number, 12, 1)), y=y)


@pytest.fixture
def archive(tmp_path):
    for name in ("Bees", "Ants"):
        write_problem(tmp_path / "archive", name)
    (tmp_path / "archive" / "notes").mkdir()
    return tmp_path / "archive"


@pytest.fixture
def base():
    return load_config("run_ts")


@pytest.mark.parametrize(
    ("examples", "classes", "expected"),
    [(1000, 5, 100), (450, 50, 60), (180, 2, 60), (120, 2, 40), (28, 2, 9), (27, 9, 9), (20, 12, 12)],
)
def test_validation_has_sixty_where_that_leaves_two_thirds_and_never_fewer_than_the_classes(
    examples, classes, expected
):
    assert problems.num_validation(examples, classes) == expected


@pytest.mark.parametrize(
    ("trained", "expected"), [(5000, 128), (1280, 128), (1279, 64), (400, 32), (160, 16), (14, 16)]
)
def test_the_batch_is_the_largest_of_which_an_epoch_has_ten(trained, expected):
    assert sizing.series_batch(trained) == expected


def test_problems_are_folders_with_a_training_split_in_either_layout(archive):
    (archive / "Cats").mkdir()
    (archive / "Cats" / "Cats_TRAIN.ts").write_text("@data\n")
    assert [item.name for item in problems.find(archive)] == ["Ants", "Bees", "Cats"]
    for place in (archive / "notes", archive / "nowhere"):
        with pytest.raises(UserError, match=place.name):
            problems.find(place)


def test_a_problem_gets_the_configuration_that_suits_it(archive, base):
    found = problems.suited(base, problems.find(archive)[0], 0.5, is_alone=False)
    assert found.dataset.path == str(archive / "Ants")
    dataset = found.dataset
    assert (dataset.name, dataset.validation_size, dataset.batch_size) == (None, 13 / 40, 16)
    assert (found.others.max_hours, found.others.executor.workers) == (0.5, 1)
    assert found.dataset.folds == 5  # 13 series validate
    assert problems.suited(base, problems.find(archive)[0], None, is_alone=True).others.max_hours is None


STATED = {
    "dataset.validation_size": "0.5",
    "dataset.folds": "2",
    "dataset.batch_size": "7",
    "others.executor.workers": "3",
}


@pytest.mark.parametrize("field", STATED)
def test_what_was_stated_is_not_suited_to_a_problem(archive, field):
    sets = [f"{field}={STATED[field]}"]
    kept = problems.stated(sets)
    assert kept == [field]
    base = load_config("run_ts", sets=sets)
    found = problems.suited(base, problems.find(archive)[0], None, is_alone=False, kept=kept)
    values = (
        found.dataset.validation_size,
        found.dataset.folds,
        found.dataset.batch_size,
        found.others.executor.workers,
    )
    usual = dict(zip(STATED, (13 / 40, 5, 16, 1), strict=True))
    if field == "dataset.validation_size":
        usual["dataset.folds"] = 5  # 20 series validate: more draws still
    assert values == tuple((usual | {field: float(STATED[field])}).values())


def test_a_validation_split_of_the_problems_own_is_used(archive):
    sets = ["dataset.validation_size=null"]
    base, (ants, bees) = load_config("run_ts", sets=sets), problems.find(archive)
    np.savez(ants.path / "validation.npz", **np.load(ants.path / "test.npz"))
    found = problems.suited(base, ants, None, is_alone=False, kept=problems.stated(sets))
    assert (found.dataset.validation_size, found.dataset.folds, found.dataset.batch_size) == (None, 1, 16)
    with pytest.raises(DataError, match="a separate validation split"):
        problems.suited(base, bees, None, is_alone=False, kept=problems.stated(sets))


@pytest.mark.parametrize("place", ["dataset.path=x", "dataset={}", "dataset.type=image_classification"])
def test_what_each_problem_has_of_its_own_cannot_be_stated(place):
    with pytest.raises(UserError, match="its own"):
        problems.stated([place])


@pytest.mark.parametrize(("number", "workers"), [(2, 1), (1, None)])
def test_what_a_problem_gets_does_not_depend_on_how_many_are_left(
    base, jobs, monkeypatch, tmp_path, number, workers
):
    for name in ("Ants", "Bees")[:number]:
        write_problem(tmp_path / "some", name)
    monkeypatch.setattr(campaign.resources, "available_cores", lambda: [0, 1, 2])
    jobs.finished |= {"Ants"} if number == 2 else set()  # one is left in either case
    campaign.run(tmp_path / "some", base, CampaignRequest(), logs=tmp_path, name="x")
    name = ("Ants", "Bees")[number - 1]
    assert load_config(tmp_path / "x" / "configs" / f"{name}.json").others.executor.workers == workers


def test_what_a_campaign_is_asked_for_is_handed_to_every_job():
    asked = CampaignRequest(num_cells=2, ensemble=3, max_params=900)
    assert campaign._options(asked) == ["-k", "2", "--ensemble", "3", "--max-params", "900"]
    with pytest.raises(UserError, match="2 to 32"):
        campaign._options(CampaignRequest(ensemble=1))


def test_published_results_are_read_by_method_and_wrong_ones_are_told(tmp_path):
    path = tmp_path / "known.csv"
    path.write_text("problem,A,B\nAnts,0.5,\nBees,1,0.25\n")
    assert published.read(path) == {"A": {"Ants": 0.5, "Bees": 1.0}, "B": {"Bees": 0.25}}
    for text, message in (
        ("problem,A\nAnts,95.2\n", "line 2, A: '95.2' is no accuracy"),
        ("problem,A\nAnts,good\n", "'good' is no accuracy"),
        ("problem\nAnts\n", "no methods"),
        ("problem,popnas\nAnts,0.5\n", "none of them 'popnas'"),
    ):
        path.write_text(text)
        with pytest.raises(UserError, match=message):
            published.read(path)


@pytest.mark.parametrize(
    ("against", "kept", "told"),
    [
        ({}, [], []),
        ({"A": {"Ants": 0.5, "Bees": 0.5}}, ["A"], []),
        (
            {"A": {"Ants": 0.5, "bees": 0.5}, "B": {}},
            ["A"],
            [
                "published methods without an accuracy for any problem of this archive, left out: B.",
                "1 problem without a published accuracy, not ranked: Bees (is it 'bees' there?).",
                "1 problem of the published results not in this archive: bees.",
            ],
        ),
        (
            {"A": {"Ants": 0.5, "Bees": 0.5}, "B": {"Ants": 0.5}},
            ["A", "B"],
            ["the published method B has no accuracy for 1 problem, which is not ranked: Bees."],
        ),
    ],
)
def test_what_cannot_be_compared_is_named_and_left_out(archive, base, jobs, tmp_path, against, kept, told):
    assert published.comparable(["Ants", "Bees"], against) == ({name: against[name] for name in kept}, told)
    path, heard = tmp_path / "known.csv", []
    rows = [
        [problem, *(str(each.get(problem, "")) for each in against.values())]
        for problem in dict.fromkeys(name for each in against.values() for name in each)
    ]
    path.write_text("\n".join(map(",".join, [["problem", *(against or ["X"])], *rows])))
    request = CampaignRequest(against=path if against else None)
    place, found = campaign.run(archive, base, request, logs=tmp_path, name="x", tell=heard.append)
    assert [event.text for event in heard if isinstance(event, Warned)] == list(found.told) == told
    assert list(found.published) == kept and (found.ranking is not None) == bool(against)
    page = (place / "summary.html").read_text()
    assert page.count("Not compared: ") == len(told)


def test_without_a_common_problem_it_is_told_that_there_are_no_ranks(archive, base, jobs, tmp_path):
    path = tmp_path / "known.csv"
    path.write_text("problem,A,B\nAnts,0.5,\nBees,,0.5\n")
    _, found = campaign.run(archive, base, CampaignRequest(against=path), logs=tmp_path, name="x")
    assert found.ranking is None
    assert found.told[-1] == "no problem that is done has an accuracy of every method, so there are no ranks."


def test_a_campaign_with_failures_ends_with_status_1_after_all_is_summed_up(
    archive, jobs, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    jobs.fate["Ants"] = 2
    assert main.run(["archives", "-p", str(archive), "--name", "x"]) == 1
    shown = capsys.readouterr()
    assert "Summary: logs/x/summary.html" in shown.out
    assert (
        "Error: 1 problem of 2 failed: Ants. Why stands on the summary and in logs/x/failures, what their "
        "jobs told in logs/x/output. The same command tries them again." in shown.err.replace("\n", " ")
    )
    jobs.fate.clear()
    assert main.run(["archives", "-p", str(archive), "--name", "x", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["not_compared"] == []


@pytest.fixture
def jobs(monkeypatch, tmp_path):
    """Jobs that only sleep; what they leave is as `fate` says by problem: "done", or an exit status."""

    class Jobs(list):
        fate, finished, most = {}, set(), 0

    started = Jobs()

    def tied(arguments, cwd, output):
        name = arguments[-1].rpartition("/")[2] if arguments[1] == "-r" else arguments[4]
        alive = sum(process.poll() is None for _, process in started)
        started.most = max(started.most, alive + 1)
        status = started.fate.get(name, "done")
        if status == "done":
            started.finished.add(name)
        status = 0 if status == "done" else status
        code = f"import time; time.sleep(0.3); print('wrong data', flush=True); exit({status})"
        process = subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=output, stderr=output
        )
        started.append((list(arguments), process))
        return process

    monkeypatch.setattr(campaign, "_tied", tied)
    monkeypatch.setattr(campaign, "_POLL_SECONDS", 0.02)
    monkeypatch.setattr(campaign, "is_done", lambda place, problem: problem.name in started.finished)
    original = campaign.result_of

    def result_of(place, problem):
        if (place / "failures" / f"{problem.name}.txt").is_file():
            return original(place, problem)
        accuracy = {"Ants": 0.5, "Bees": 0.75}[problem.name]
        return campaign.ProblemResult(problem.name, accuracy=accuracy, seconds=1.0)

    monkeypatch.setattr(campaign, "result_of", result_of)
    return started


def test_all_problems_are_done_several_at_a_time_and_summed_up(archive, base, jobs, tmp_path):
    known = tmp_path / "known.csv"
    known.write_text("problem,A\nAnts,0.4\nBees,0.4\n")
    request = CampaignRequest(workers=2, num_cells=3, hours=1.0, against=known)
    place, found = campaign.run(archive, base, request, logs=tmp_path / "logs")
    assert place == tmp_path / "logs" / "archive"
    assert jobs.most == 2
    assert [arguments[0] for arguments, _ in jobs] == ["e2e", "e2e"]
    assert all(arguments[-2:] == ["-k", "3"] for arguments, _ in jobs)
    assert found.mean_accuracy == 0.625 and found.num_open == 0
    assert found.ranking is not None and found.ranking.methods[0].name == "popnas"
    with (place / "results.csv").open(newline="") as stream:
        assert [row["accuracy"] for row in csv.DictReader(stream)] == ["0.5", "0.75"]
    assert "Ants" in (place / "summary.html").read_text()


def test_what_is_done_is_not_done_again_and_a_failure_stands_alone_and_is_tried_again(
    archive, base, jobs, tmp_path
):
    jobs.fate["Ants"], told = 2, []
    request = CampaignRequest(workers=1)
    _, found = campaign.run(archive, base, request, logs=tmp_path, name="x", tell=told.append)
    assert [item.error is None for item in found.results] == [False, True]
    assert "exit status 2: wrong data" in (found.results[0].error or "")
    assert any(isinstance(event, Told) and "Ants: failed" in event.text for event in told)
    jobs.fate.clear()
    number = len(jobs)
    _, found = campaign.run(archive, base, request, logs=tmp_path, name="x")
    assert len(jobs) == number + 1 and jobs[-1][0][4] == "Ants"
    assert all(item.error is None for item in found.results)


def test_score_and_known_network_are_those_of_what_is_delivered(tmp_path, monkeypatch):
    models = [
        SelectedModel(
            Path(name), "[]", 2, 1, 4, 10, reference=reference, summary=Interval(score, None), trained=True
        )
        for name, reference, score in (("0-x", None, 0.8), ("1-x", "residual", 0.9))
    ]
    monkeypatch.setattr(campaign.selection, "read_selection", lambda place: models)
    assert campaign._judged(tmp_path) == (0.9, "residual")
    (tmp_path / "final_training").mkdir()
    members = [EnsembleMember(name, "[]", 2, 1, 4, None, 0, 10, 100) for name in ("0-x", "1-x")]
    sizes = [EnsembleSize(number, 10 * number, 100 * number, *pair) for number, pair in FIGURES]
    plan = EnsemblePlan(2, 10, None, "accuracy", members, sizes, 1)

    def judged(**changes):
        ensembles.write(tmp_path / "final_training", replace(plan, **changes))
        return campaign._judged(tmp_path)

    assert judged() == (0.8, None)  # the known network has too many params
    assert judged(members=members[::-1]) == (0.8, "residual")
    assert judged(chosen=2) == (0.95, None)
    assert judged(chosen=2, members=members[::-1], left_out=[2]) == (None, "residual")


def test_a_job_that_was_begun_goes_on(archive, base, jobs, tmp_path):
    (tmp_path / "x" / "logs" / "Bees").mkdir(parents=True)
    request = CampaignRequest(workers=2)
    with pytest.raises(UserError, match="no campaign's folder"):
        campaign.run(archive, base, request, logs=tmp_path, name="x")
    jobs.fate["Bees"] = 1
    campaign.run(archive, base, request, logs=tmp_path, name="y")
    run = tmp_path / "y" / "logs" / "Bees"
    run.mkdir(parents=True)
    (run / "e2e.json").write_text("{}")
    jobs.fate.clear()
    campaign.run(archive, base, request, logs=tmp_path, name="y")
    assert jobs[-1][0] == ["e2e", "-r", str(run.resolve())]


def test_data_that_cannot_be_read_fail_alone(archive, base, jobs, tmp_path):
    np.savez(archive / "Ants" / "train.npz", x=np.zeros((4, 5, 1)), y=np.arange(4))
    _, found = campaign.run(archive, base, CampaignRequest(workers=1), logs=tmp_path, name="x")
    assert [item.accuracy for item in found.results] == [None, 0.75]
    assert len(jobs) == 1


def test_other_settings_are_not_mixed_in_and_two_do_not_work_at_once(archive, base, jobs, tmp_path):
    campaign.run(archive, base, CampaignRequest(), logs=tmp_path, name="x")
    for request in (CampaignRequest(hours=2.0), CampaignRequest(num_cells=2)):
        with pytest.raises(UserError, match="another archive, configuration or limits"):
            campaign.run(archive, base, request, logs=tmp_path, name="x")
    with pytest.raises(UserError, match="another archive, configuration or limits"):
        request = CampaignRequest(sets=["dataset.batch_size=64"])  # as before, but not suited
        campaign.run(archive, base, request, logs=tmp_path, name="x")
    asked = json.loads((tmp_path / "x" / "campaign.json").read_text())
    del asked["kept"], asked["sha256"]  # as campaigns of before have it
    (tmp_path / "x" / "campaign.json").write_text(json.dumps(asked))
    campaign.run(archive, base, CampaignRequest(), logs=tmp_path, name="x")
    with RunLock(tmp_path / "x" / "campaign.lock"), pytest.raises(UserError):
        campaign.run(archive, base, CampaignRequest(), logs=tmp_path, name="x")


def test_ctrl_c_ends_all_jobs_and_leaves_a_summary(archive, base, jobs, tmp_path):
    def tell(event):
        raise KeyboardInterrupt

    jobs.fate = {"Ants": "(time.sleep(60), 1)[1]"}
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        campaign.run(
            archive,
            base,
            CampaignRequest(workers=2),
            logs=tmp_path,
            name="x",
            tell=lambda event: tell(event) if "Bees" in event.text else None,
        )
    assert all(process.poll() is not None for _, process in jobs)
    assert time.monotonic() - began < 30
    assert (tmp_path / "x" / "summary.html").is_file()
