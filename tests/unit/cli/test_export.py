"""`popnas export` that is interrupted, wherever it is."""

import pytest

from popnas.cli.main import run
from popnas.workflows.models import deployment, evaluation
from popnas.workflows.models.folder import ModelFolder


@pytest.mark.parametrize("options", [[], ["--source"]])
@pytest.mark.parametrize("place", [(evaluation, "find_models"), (deployment, "deploy")])
def test_an_interrupted_export_says_what_is_there_and_how_it_goes_on(
    place, options, tmp_path, monkeypatch, capsys
):
    def interrupt(*_arguments, **_keywords):
        raise KeyboardInterrupt

    monkeypatch.setattr(*place, interrupt)
    monkeypatch.setattr(deployment, "write_source", interrupt)
    monkeypatch.setattr("popnas.workflows.models.folder.read_data_from", lambda *_: None)
    if place[1] == "deploy":
        monkeypatch.setattr(evaluation, "find_models", lambda *_: [ModelFolder(tmp_path)])
    assert run(["export", "-p", str(tmp_path), *options]) == 130
    told = "\nInterrupted.\nWhat lay there before is kept. The same command begins anew.\n"
    assert capsys.readouterr().err == told
