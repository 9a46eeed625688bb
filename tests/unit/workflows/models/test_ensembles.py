"""Ensembles: which networks are chosen, what is delivered, what it costs, and how it goes on."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

import popnas
from popnas import tasks
from popnas.errors import ExportError, RunFolderError, UserError
from popnas.report.sections import ensembles as stored
from popnas.report.sections.ensembles import EnsembleMember, EnsemblePlan
from popnas.runs import RunFolder
from popnas.workflows.models import deployment, final_training, training
from popnas.workflows.models.choices import CellChoice, NetworkChoice, StageChanges
from popnas.workflows.models.ensembles import choosing
from popnas.workflows.models.ensembles.choosing import Answers, AnswersJudge, Candidate
from popnas.workflows.models.folder import ModelFolder
from popnas.workflows.models.selection import select
from popnas.workflows.models.training import OtherTrainingError

JUDGE = AnswersJudge(tasks.get("image_classification"), "accuracy", 2)
Y = torch.tensor([0, 0, 1, 1])


def member(name, params=10):
    return EnsembleMember(name, "[]", 2, 1, 4, None, 0, params, 100)


def candidate(name, *right, params=10):
    """A network by the probabilities that it gives the true classes, on each of two equal folds."""
    right_N = torch.tensor(right)
    one_NK = torch.stack(
        [torch.where(Y == 0, right_N, 1 - right_N), torch.where(Y == 1, right_N, 1 - right_N)]
    )
    return Candidate(member(name, params), [Answers(one_NK.T, Y)] * 2)


BEST = candidate("best", 0.9, 0.9, 0.9, 0.2)
LIKE = candidate("like", 0.95, 0.95, 0.95, 0.1)
OTHER = candidate("other", 0.6, 0.6, 0.3, 0.9, params=25)


def names(members):
    return [item.origin for item in members]


def test_the_member_is_taken_with_which_all_together_have_the_lowest_cross_entropy():
    members, sizes, number = choosing.chosen([BEST, LIKE, OTHER], JUDGE, 3, None)
    assert names(members) == ["best", "other", "like"]
    assert (sizes[0].score, sizes[1].score) == (0.75, 1.0)
    mean_N = (np.array([0.9, 0.9, 0.9, 0.2]) + np.array([0.6, 0.6, 0.3, 0.9])) / 2
    assert sizes[1].loss == pytest.approx(float(-np.log(mean_N).mean()), rel=1e-5)
    assert [(size.params, size.flops) for size in sizes] == [(10, 100), (35, 200), (45, 300)]
    # All three are surer, but right less often.
    assert sizes[2].loss < sizes[1].loss and sizes[2].score < sizes[1].score and number == 2


def test_a_better_score_that_is_less_sure_is_taken_for_chance():
    first = candidate("first", 0.99, 0.99, 0.99, 0.45)
    unsure = candidate("unsure", 0.45, 0.45, 0.45, 0.6)
    _, sizes, number = choosing.chosen([first, unsure], JUDGE, 2, None)
    assert sizes[1].score > sizes[0].score and sizes[1].loss > sizes[0].loss and number == 1


def test_seeds_of_equal_figures_are_no_better_together():
    members, sizes, number = choosing.chosen([BEST, BEST], JUDGE, 2, None)
    assert number == 1 and len(members) == len(sizes) == 1  # one and the same is taken once
    twins = [candidate(name, 0.9, 0.9, 0.9, 0.2) for name in ("one", "two")]
    assert choosing.chosen(twins, JUDGE, 2, None)[2] == 1


def test_params_of_all_members_keep_to_the_limit():
    assert names(choosing.chosen([BEST, LIKE, OTHER], JUDGE, 3, 34)[0]) == ["best", "like"]
    assert names(choosing.chosen([OTHER, BEST], JUDGE, 2, 20)[0]) == ["best"]
    members, sizes, number = choosing.chosen([OTHER, BEST, LIKE], JUDGE, 2, 9)
    assert (names(members), len(sizes), number) == (["best"], 1, 1)
    verdict = EnsemblePlan(2, 9, None, "accuracy", members, sizes, number).verdict
    assert verdict.startswith("No network has at most 9 params") and verdict.endswith("delivered, of 10.")


def test_a_lower_cross_entropy_at_a_worse_score_is_not_delivered():
    first = candidate("first", 0.51, 0.51, 0.51, 0.51)
    surer = candidate("surer", 0.99, 0.99, 0.99, 0.2)
    members, sizes, number = choosing.chosen([first, surer], JUDGE, 2, None)
    assert sizes[1].loss < sizes[0].loss and sizes[1].score < sizes[0].score
    assert (len(members), number) == (2, 1)


def test_without_a_selection_members_are_seeds_as_many_as_fit():
    plan = choosing.of_seeds(member("given", 10), NetworkChoice(ensemble=5, max_params=39), "given")
    assert [item.seed for item in plan.delivered] == [0, 1, 2] and plan.size.params == 30
    plan = choosing.of_seeds(member("given", 10), NetworkChoice(ensemble=5, max_params=9), "given")
    assert plan.is_too_large and plan.verdict.startswith("No network has at most 9 params")
    plan = choosing.of_seeds(member("given", 10), NetworkChoice(ensemble=5, max_params=19), "given")
    assert plan.verdict.startswith("One network is delivered: ") and [
        item.seed for item in plan.delivered
    ] == [0]


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"ensemble": 1}, "2 to 32"),
        ({"ensemble": 33}, "2 to 32"),
        ({"max_params": 5}, "of an `ensemble`"),
        ({"ensemble": 2, "max_params": 0}, "1 at least"),
    ],
)
def test_mistakes_are_told(choice, message):
    with pytest.raises(UserError, match=message):
        NetworkChoice(**choice)


def test_an_ensemble_is_one_checked_model_that_goes_on_where_it_was(run, partial, monkeypatch):
    """The whole way: selected on folds, chosen, trained, killed between members, joined, loaded."""
    partial["dataset"]["folds"] = 2
    with monkeypatch.context() as patch:  # what is exported in the selection is tested there
        patch.setattr(training.files, "export_onnx", lambda *_: None)
        patch.setattr(training.files, "write_confusion", lambda *_: None)
        select(run, CellChoice(2), partial=partial)
    # Both are delivered, whatever such networks are worth together.
    monkeypatch.setattr(choosing, "_best", len)
    network, trained = NetworkChoice(ensemble=2), []
    train_model = final_training.train_model

    def dying(job, *others):
        trained.append(job.folder.name)
        if len(trained) == 2:
            raise KeyboardInterrupt
        return train_model(job, *others)

    monkeypatch.setattr(final_training, "train_model", dying)
    with pytest.raises(KeyboardInterrupt):
        final_training.train(run, network, partial=partial)
    folder = ModelFolder(run / "final_training")
    plan = stored.read(folder.path)
    assert not folder.is_finished and plan.chosen == 2
    # It goes on by what is kept of how it was asked for, too.
    final_training.train(run, network, changes=StageChanges(sets=plan.settings))
    assert trained == ["member-1", "member-2"] * 2
    before = [ModelFolder(folder.path / name).weights.read_bytes() for name in ("member-1", "member-2")]

    described = folder.description()
    assert [item.cell for item in described.members] == [
        item.cell for item in stored.read(folder.path).delivered
    ]
    assert described.params == sum(
        ModelFolder(folder.path / f"member-{i}").description().params for i in (1, 2)
    )
    assert described.outcome.onnx.max_difference < 1e-4
    x = np.random.default_rng(0).integers(0, 255, (3, *described.network.input_shape), dtype=np.uint8)
    single = [popnas.load(folder.path / f"member-{i}").predict_proba(x) for i in (1, 2)]
    for backend in ("onnx", "torch"):
        model = popnas.load(folder.deploy, backend=backend)
        assert np.allclose(model.predict_proba(x), np.mean(single, axis=0), atol=1e-5)
    with pytest.raises(ExportError, match=r"ensemble of 2 networks.*export --source -p .*member-1"):
        deployment.write_source(folder)
    assert deployment.write_source(ModelFolder(folder.path / "member-1")).is_file()
    assert "2 networks chosen" in (folder.deploy / "README.md").read_text()

    # Other wishes are told, and renewed if asked for; the old one is kept whole.
    with pytest.raises(RunFolderError, match="holds an ensemble"):
        final_training.train(run, partial=partial)
    with pytest.raises(RunFolderError, match="asked for otherwise"):
        final_training.train(run, NetworkChoice(ensemble=3), partial=partial)
    trained.clear()
    monkeypatch.setattr(final_training.deployment, "deploy", lambda *_, **__: None)
    final_training.train(run, partial=partial, renew=True)
    kept = folder.path / "earlier-1"
    assert folder.description().members is None and len(ModelFolder(kept).description().members) == 2
    assert [ModelFolder(kept / name).weights.read_bytes() for name in ("member-1", "member-2")] == before
    with pytest.raises(RunFolderError, match="single network"):
        final_training.train(run, network, partial=partial)


def test_a_selection_that_has_changed_is_looked_at_again(run, partial, monkeypatch):
    monkeypatch.setattr(training.files, "export_onnx", lambda *_: None)
    monkeypatch.setattr(training.files, "write_confusion", lambda *_: None)
    network, folder = NetworkChoice(ensemble=2), RunFolder.open(run)
    select(run, CellChoice(1), partial=partial)

    def planned():
        return final_training.ensemble_of_selection(folder, folder.final_training, network)

    first = planned()
    with monkeypatch.context() as patch:  # of the same selection nothing is chosen again
        patch.setattr(choosing, "of_selection", None)
        assert planned().digest == first.digest is not None
    better = replace(folder.state().best, cell="[(-2, identity, -1, identity)]", score=0.9, index=9)
    with folder.journal as journal:
        journal.append("evaluation", better.content(), {})
    select(run, CellChoice(1), partial=partial, renew=True)
    patch = monkeypatch.setattr
    patch(choosing, "of_selection", lambda *_: replace(first, digest=None))
    assert planned().digest != first.digest  # what is delivered would be the same: it stands
    stored.write(folder.final_training, replace(first, digest=None))  # as earlier versions wrote it
    assert planned().digest is not None
    stored.write(folder.final_training, first)
    patch(choosing, "of_selection", lambda *_: replace(first, members=[member("new")]))
    with pytest.raises(OtherTrainingError, match=r"other networks than the model selection says.*renew"):
        planned()
    kept = final_training._or_anew(planned, folder.final_training, True, lambda _: None)
    assert names(kept.delivered) == ["new"] == names(stored.read(folder.final_training).delivered)


def test_a_plan_that_contradicts_itself_is_refused(tmp_path):
    plan = choosing.of_seeds(member("given"), NetworkChoice(ensemble=2), "given")
    stored.write(tmp_path, plan)
    assert stored.read(tmp_path).delivered == tuple(plan.members)
    content = json.loads((tmp_path / "ensemble.json").read_text())
    content.pop("sha256")
    (tmp_path / "ensemble.json").write_text(json.dumps({**content, "chosen": 3}))
    with pytest.raises(RunFolderError, match="contradicts itself"):
        stored.read(tmp_path)
