from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import save_file

import popnas
from popnas import export, networks, tasks
from popnas.cells import Cell
from popnas.cli.main import cli
from popnas.datasets import Dataset
from popnas.errors import DataError, MissingSplitError, RunFolderError, UserError
from popnas.evaluators.training.describing import describe_model
from popnas.events import JobEvent, Listen, PhaseAdvanced, PhaseStarted, Told, Warned
from popnas.export.running import judged, open_session
from popnas.runs import RunFolder
from popnas.storage import write_json
from popnas.workflows.models import deployment
from popnas.workflows.models.evaluation import STEM, evaluate, find_models
from popnas.workflows.models.folder import ModelFolder
from popnas.workflows.settings import load_config

CELL = "[(-2, 3x3 conv, -1, identity)]"
FILES = {
    "eval.html",
    "eval.json",
    *(f"{STEM}{kind}" for kind in (".csv", ".png", "_normalised.csv", "_normalised.png")),
}


def put_model(path: Path, config_json: dict[str, Any], *, has_onnx: bool = True) -> Path:
    """A model's folder with an untrained network of two heads."""
    config = load_config(config_json)
    task = tasks.get(config.dataset.type)
    dataset = task.load(config)
    spec = task.network_spec(config, dataset).replace(is_post_search=True, motifs=3)
    torch.manual_seed(5)
    network = networks.build(Cell.parse(CELL), spec).eval()
    path.mkdir(parents=True)
    save_file(network.state_dict(), path / "weights.safetensors")
    write_json(path / "config.json", config.to_json())
    if has_onnx:
        export.save_onnx(network, dataset.preprocessing, path / "model.onnx")
    model = describe_model(Cell.parse(CELL), spec, config, dataset)
    # Without checksums, as popnas 0.1.0 wrote it: tests change what lies beside it.
    write_json(path / "model.json", replace(model, validation_metrics={"accuracy": 0.1}).to_json())
    return path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the models of `selected` are made once."""
    return tmp_path_factory.mktemp("models")


@pytest.fixture
def selected(run: Path, config, made: Path) -> Path:
    for name in ("0-m2-n1-f4", "1-m2-n1-f4"):
        if not (made / name).exists():
            put_model(made / name, config(), has_onnx=name.startswith("0"))
    shutil.copytree(made, run / "model_selection", dirs_exist_ok=True)
    return run


def _only_told(said: list[JobEvent]) -> Listen:
    """A listener that keeps what is told, without how far it is."""
    return lambda event: said.append(event) if isinstance(event, Told | Warned) else None


def refuse_by_folders(path: Path) -> None:
    for name in FILES:
        (path / name / "in the way").mkdir(parents=True)


@pytest.mark.parametrize(
    "refuse",
    [
        refuse_by_folders,
        pytest.param(
            lambda path: path.chmod(0o500),
            marks=pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere"),
        ),
    ],
)
def test_a_folder_that_refuses_files_keeps_nobody_from_the_figures(selected: Path, refuse) -> None:
    path = selected / "model_selection" / "0-m2-n1-f4"
    refuse(path)
    answer = CliRunner().invoke(cli, ["evaluate", "-p", str(selected), "-f", str(path)])
    path.chmod(0o700)
    assert answer.exit_code == 0, answer.output
    assert "accuracy" in answer.stdout and "0-m2-n1-f4" in answer.stdout
    assert f"Warning: {path / 'eval.json'} is missing" in answer.stderr
    assert answer.output.index("Warning:") > answer.output.index("calibration error")
    assert "Pages:" not in answer.stdout


def test_an_evaluation_tells_how_far_it_is_and_its_run_keeps_that(selected: Path) -> None:
    heard: list[JobEvent] = []
    evaluate(selected, "0-m2-n1-f4", tell=heard.append)
    phases = [event.text for event in heard if isinstance(event, PhaseStarted)]
    assert len(phases) == 4 and phases[1] == "evaluating on test data"
    pieces = [event.done for event in heard if isinstance(event, PhaseAdvanced)]
    assert pieces == sorted(pieces) and len(pieces) > 2 and pieces[-1] == 360
    log = (selected / "debug.log").read_text()
    assert all(f"evaluation: {phase}" in log for phase in phases) and "evaluation: finished" in log
    noted = json.loads((selected / "progress.json").read_text())
    assert (noted["stage"], noted["state"], noted["done"]) == ("evaluation", "finished", 0)


def test_an_evaluation_leaves_progress_and_log_to_the_stage_that_works_on_the_run(selected: Path) -> None:
    before = {name: (selected / name).exists() for name in ("progress.json", "debug.log")}
    with RunFolder(selected).lock():
        evaluate(selected, "0-m2-n1-f4")
    assert {name: (selected / name).exists() for name in before} == before


@pytest.mark.parametrize("strategy", ["GPU", "multi-GPU", "TPU"])
def test_a_model_of_another_machines_device_is_evaluated_here(
    selected: Path, strategy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    path = selected / "model_selection" / "0-m2-n1-f4"
    (here,) = evaluate(path)
    config = json.loads((path / "config.json").read_text())
    config["others"]["train_strategy"] = strategy
    write_json(path / "config.json", config)
    (elsewhere,) = evaluate(path)
    assert elsewhere.result is not None and here.result is not None
    assert elsewhere.result.heads == here.result.heads


def test_one_model_by_its_folder(selected: Path) -> None:
    path = selected / "model_selection" / "0-m2-n1-f4"
    (found,) = evaluate(path)
    assert {item.name for item in path.iterdir()} >= FILES
    content = json.loads((path / "eval.json").read_text())
    assert content == found.result.to_json()
    assert content["file"] == "model.onnx" and content["num_samples"] == 360
    test = ModelFolder(path).load_dataset(need_test=True).test
    by_file = judged(open_session(path / "model.onnx"), test)
    assert found.metrics["accuracy"] == pytest.approx(by_file.accuracy)
    assert [head["weight"] for head in content["heads"]] == [0.25, 0.75]
    assert content["heads"][-1]["accuracy"] == pytest.approx(found.metrics["accuracy"], abs=2 / 360)
    assert sum(item["support"] for item in content["classes"]) == 360
    assert np.sum(content["confusion"]) == 360
    page = (path / "eval.html").read_text()
    for word in ("Calibration", "precision", "data:image/png", "head 2"):
        assert word in page


def test_all_of_a_selection_with_and_without_an_exported_file(selected: Path) -> None:
    found = evaluate(selected, top=True)
    assert [item.path.name for item in found] == ["0-m2-n1-f4", "1-m2-n1-f4"]
    assert [item.result.model.file for item in found] == ["model.onnx", "weights.safetensors"]
    assert found[0].metrics == pytest.approx(found[1].metrics, abs=2 / 360), "the same network"


@pytest.mark.parametrize("name", ["0-m2-n1-f4", "model_selection/0-m2-n1-f4"])
def test_models_are_found_by_name(selected: Path, name: str) -> None:
    (folder,) = find_models(selected, name)
    assert folder.path.resolve() == (selected / "model_selection" / "0-m2-n1-f4").resolve()


def test_the_search_s_best_is_the_default(run: Path, config) -> None:
    with pytest.raises(RunFolderError, match="has no best model yet: the search has not ended"):
        find_models(run)
    put_model(run / "best_model", config())
    assert find_models(run)[0].path == run / "best_model"


def test_a_model_that_is_not_there(selected: Path, run: Path) -> None:
    with pytest.raises(
        RunFolderError,
        match=r"'0-m2-n1-f8' is no finished model.*Did you mean '0-m2-n1-f4'.*Its models: model_selection",
    ):
        find_models(selected, "0-m2-n1-f8")


def test_a_run_without_a_selection(run: Path) -> None:
    with pytest.raises(RunFolderError, match="popnas select -p"):
        find_models(run, top=True)


def test_a_model_of_another_task(selected: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    content = json.loads((selected / "model_selection/0-m2-n1-f4/model.json").read_text())
    content["dataset"]["type"] = "time_series_classification"
    (other / "model.json").write_text(json.dumps(content))
    with pytest.raises(RunFolderError, match="a model for time_series_classification, but the run"):
        find_models(selected, other)


def _with_dataset(monkeypatch: pytest.MonkeyPatch, change) -> None:
    load = ModelFolder.load_dataset

    def changed(self: ModelFolder, *, need_test: bool = False) -> Dataset:
        return change(load(self, need_test=need_test), need_test)

    monkeypatch.setattr(ModelFolder, "load_dataset", changed)


def _without_test(dataset: Dataset, need_test: bool) -> Dataset:
    if need_test:
        raise MissingSplitError("digits has no test split, which is needed here.")
    return replace(dataset, test=None)


def test_no_test_split_is_skipped_and_nothing_lost(selected: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = selected / "model_selection" / "0-m2-n1-f4"
    (path / "eval.json").write_text("{}")
    before = {item: item.read_bytes() for item in path.iterdir()}
    _with_dataset(monkeypatch, _without_test)
    said: list[JobEvent] = []
    found = evaluate(selected, top=True, tell=_only_told(said))
    assert [item.result for item in found] == [None, None] and all(item.skipped for item in found)
    assert len(said) == 2 and "no test split" in said[0].text
    assert {item: item.read_bytes() for item in path.iterdir()} == before


def test_data_that_have_changed(selected: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _with_dataset(monkeypatch, lambda data, _: replace(data, class_names=[*data.class_names[:-1], "ten"]))
    with pytest.raises(DataError, match="Put the data back, or train on the new ones"):
        evaluate(selected, "0-m2-n1-f4")


def test_what_is_known_of_the_test_split_is_told_once(
    selected: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = ["In the test split: transparency is dropped: 3 (a, b, c)."]
    _with_dataset(monkeypatch, lambda data, _: replace(data, warnings=["Of training."], test_warnings=notes))
    said: list[JobEvent] = []
    evaluate(selected, top=True, tell=_only_told(said))
    assert said == [Warned(notes[0])]
    said.clear()
    model = ModelFolder(selected / "model_selection" / "0-m2-n1-f4")
    deployment.load_for_judging(model, said.append)
    assert said == [Warned(notes[0])]
    deployment.load_for_judging(model, said.append, notes)
    assert len(said) == 1, "it was told before"


def test_classes_that_training_never_saw(selected: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unseen(dataset: Dataset, need_test: bool) -> Dataset:
        train = dataset.full_train
        return replace(dataset, full_train=train.take(np.flatnonzero(train.y != 3)))

    _with_dataset(monkeypatch, unseen)
    said: list[JobEvent] = []
    (found,) = evaluate(selected, "0-m2-n1-f4", tell=_only_told(said))
    assert found.result.unseen == ["3"]
    told = "No training sample has the class '3', but test samples have: they cannot be recognised."
    assert said == [Told(told)]
    page = (found.path / "eval.html").read_text()
    assert "3 (no training sample)" in page


def test_deployment_is_judged_on_test_data(selected: Path) -> None:
    folder = ModelFolder(selected / "model_selection" / "0-m2-n1-f4")
    deployed = deployment.deploy(folder).deployment
    (found,) = evaluate(folder.path)
    assert deployed.measured.split == "test"
    assert deployed.measured.accuracy == pytest.approx(found.metrics["accuracy"], abs=1e-9)
    assert deployed.measured.metrics == {"f1_score": pytest.approx(found.metrics["f1_score"], abs=1e-9)}
    assert (folder.deploy / "model.onnx").read_bytes() == (folder.path / "model.onnx").read_bytes()


def test_deployment_without_test_data(
    selected: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _with_dataset(monkeypatch, _without_test)
    said: list[JobEvent] = []
    folder = ModelFolder(selected / "model_selection" / "0-m2-n1-f4")
    deployed = deployment.deploy(folder, tmp_path / "out", tell=said.append).deployment
    assert deployed.measured.split == "validation" and "validation data instead" in said[0].text


def test_an_export_replaces_nothing_but_an_earlier_export(selected: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    folder = ModelFolder(selected / "model_selection" / "0-m2-n1-f4")
    (out / "README.md").write_text("mine")
    with pytest.raises(UserError, match=r"holds README\.md, not known to be of an earlier export"):
        deployment.deploy(folder, out)
    assert [path.name for path in out.iterdir()] == ["README.md"]
    (out / "README.md").rename(out / "notes.txt")
    deployment.deploy(folder, out)
    deployment.deploy(folder, out)
    assert (out / "notes.txt").read_text() == "mine"


def _files_of(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("place", [".", "restore", "restore/new", "model_selection/0-m2-n1-f4",
                                   "model_selection/1-m2-n1-f4/deploy", "plots", "link"])  # fmt: skip
def test_nothing_is_exported_among_the_files_of_a_run(selected: Path, place: str) -> None:
    folder = ModelFolder(selected / "model_selection" / "0-m2-n1-f4")
    (selected / "link").symlink_to(selected / "restore")
    before = _files_of(selected)
    words = "itself, into which nothing is exported: take another, or none for the default, "
    with pytest.raises(UserError, match=f"is a folder of the run .* {words}"):
        deployment.deploy(folder, selected / place)
    if place != "model_selection/0-m2-n1-f4":  # where the source lies anyhow
        with pytest.raises(UserError, match=words):
            deployment.write_source(folder, selected / place / "net.py")
    assert _files_of(selected) == before
    assert not (selected / "restore" / "new").exists()


def test_exports_have_places_of_their_own_in_a_run(selected: Path) -> None:
    folder = ModelFolder(selected / "model_selection" / "0-m2-n1-f4")
    for place in (folder.deploy, selected / "handed-on"):
        deployment.deploy(folder, place)
        assert (place / "README.md").is_file()
    assert deployment.write_source(folder, folder.path / "net.py").is_file()


def test_a_model_that_stands_alone_is_not_exported_over_itself(made: Path, selected: Path) -> None:
    folder = ModelFolder(made / "0-m2-n1-f4")
    with pytest.raises(UserError, match=r"is a folder of the model .* itself"):
        deployment.deploy(folder, folder.path)


def test_who_takes_the_search_s_model_hears_of_a_final_training(selected: Path) -> None:
    hint, runner = "The run has a final training too, which is taken with: -f ", CliRunner()
    model = selected / "model_selection" / "0-m2-n1-f4"
    shutil.copytree(model, selected / "best_model", dirs_exist_ok=True)
    export = ["export", "--source", "-p", str(selected)]
    evaluation = ["evaluate", "-p", str(selected)]
    for command in (export, evaluation):
        assert hint not in runner.invoke(cli, command).output, "there is none"
    shutil.copytree(model, selected / "final_training" / "wide")
    for command in (export, evaluation):
        ran = runner.invoke(cli, command)
        assert f"{hint}final_training/wide" in ran.stderr and hint not in ran.stdout
        assert f"{selected / 'best_model'}" in ran.stdout.replace("\n", "")
        assert hint not in runner.invoke(cli, [*command, "-f", "best_model"]).output
        assert runner.invoke(cli, [*command, "-f", "final_training/wide"]).exit_code == 0
    shutil.copytree(model, selected / "final_training", dirs_exist_ok=True)
    ran = runner.invoke(cli, export)
    assert ran.stderr.strip().endswith(f"{hint}final_training")
    assert f"Model: {selected / 'best_model'}" in ran.stdout


def test_the_commands(selected: Path, tmp_path: Path) -> None:
    runner = CliRunner()
    ran = runner.invoke(cli, ["evaluate", "-p", str(selected / "model_selection" / "1-m2-n1-f4")])
    assert ran.exit_code == 0, ran.output
    assert "calibration error" in ran.stdout and "1-m2-n1-f4" in ran.stdout
    ran = runner.invoke(cli, ["evaluate", "-p", str(selected), "-f", "0-m2-n1-f4", "--json"])
    assert json.loads(ran.stdout)[0]["eval"]["num_samples"] == 360
    assert runner.invoke(cli, ["evaluate", "-p", str(selected), "-f", "x", "--top"]).exit_code == 2
    out = tmp_path / "net.py"
    ran = runner.invoke(cli, ["export", "-p", str(selected), "-f", "1-m2-n1-f4", "--source", "-o", str(out)])
    assert ran.exit_code == 0 and "class Network" in out.read_text()
    onnx = str(selected / "model_selection" / "0-m2-n1-f4" / "model.onnx")
    ran = runner.invoke(cli, ["latency", onnx, "-d", "digits", "-b", "1,2", "-n", "2", "--json"])
    assert [item["batch_size"] for item in json.loads(ran.stdout)["results"]][:2] == [1, 2]
    np.savez(tmp_path / "x.npz", x=np.zeros((3, 8, 8)))
    ran = runner.invoke(cli, ["latency", onnx, "-d", str(tmp_path / "x.npz"), "-b", "4", "-n", "2"])
    assert ran.exit_code == 0 and "samples/s" in ran.stdout
    for wrong in (["-b", "0"], ["-i", "8by8"], ["-d", "digits", "-i", "1x8x8"], ["-n", "0"]):
        assert runner.invoke(cli, ["latency", onnx, *wrong]).exit_code == 2


def without_op(path: Path) -> None:
    """A sound file for ONNX Runtime's eyes, that fails as soon as it is asked: it reshapes to what is not
    there."""
    import onnx

    network = onnx.load(path)
    (end,) = network.graph.output
    for node in network.graph.node:
        node.output[:] = ["before" if name == end.name else name for name in node.output]
    shape = onnx.helper.make_tensor("odd", onnx.TensorProto.INT64, [2], [7, 999_983])
    network.graph.initializer.append(shape)
    network.graph.node.append(onnx.helper.make_node("Reshape", ["before", "odd"], [end.name]))
    end.type.tensor_type.ClearField("shape")
    onnx.save(network, path)


def fewer_classes(path: Path) -> None:
    import onnx

    network = onnx.load(path)
    (end,) = network.graph.output
    for node in network.graph.node:
        node.output[:] = ["before" if name == end.name else name for name in node.output]
    for name, value in (("from", 0), ("to", 3), ("axis", 1)):
        network.graph.initializer.append(onnx.helper.make_tensor(name, onnx.TensorProto.INT64, [1], [value]))
    network.graph.node.append(onnx.helper.make_node("Slice", ["before", "from", "to", "axis"], [end.name]))
    end.type.tensor_type.ClearField("shape")
    onnx.save(network, path)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [(without_op, "does not answer test examples"), (fewer_classes, "is another network's")],
)
def test_a_file_that_loads_but_cannot_answer_is_told(selected: Path, spoil, words: str) -> None:
    folder = selected / "model_selection" / "0-m2-n1-f4"
    spoil(folder / "model.onnx")
    with pytest.raises(RunFolderError, match=words) as told:
        evaluate(selected, folder)
    assert str(folder / "model.onnx") in str(told.value)
    assert "\n" not in str(told.value)
    (folder / "model.onnx").unlink()
    assert evaluate(selected, folder)[0].result is not None, "by its weights"


def test_a_search_that_was_killed_in_its_best_model_has_not_ended(run: Path, config) -> None:
    put_model(run / "best_model", config())
    (run / "best_model" / "model.json").unlink()  # written last
    with pytest.raises(RunFolderError, match=r"the search has not ended.*popnas search -r"):
        find_models(run)
    with pytest.raises(RunFolderError, match="go on with `popnas search -r"):
        popnas.load(run)
    with pytest.raises(RunFolderError, match="go on with `popnas search -r"):
        popnas.load(run / "best_model")
    with RunFolder(run).journal as journal:
        journal.append("run_finished", {"reason": "completed"})
    with pytest.raises(
        RunFolderError, match=r"best_model/model.json was removed or moved away.*popnas search -r"
    ):
        find_models(run)
