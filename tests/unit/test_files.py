"""Paths of any kind: what is no file is told in words, and never opened."""

import json
import os
import socket
from pathlib import Path

import pytest

from popnas import files
from popnas.cli.main import run
from popnas.errors import DataError, UserError
from popnas.runs.stored.reading import read_json
from popnas.workflows.describe import read_cells, read_operator_costs
from popnas.workflows.settings import load_config


@pytest.fixture
def places(tmp_path, monkeypatch):
    """Things that are no readable file, by the words for them."""
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
    (tmp_path / "folder").mkdir()
    (tmp_path / "broken").symlink_to("nowhere")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "plain").write_text("")
    return {
        "it is a named pipe, not a file": tmp_path / "pipe",
        "it is a socket, not a file": tmp_path / "socket",
        "it is a folder, not a file": tmp_path / "folder",
        "it is a link to something that does not exist": tmp_path / "broken",
        "its links lead in a circle": tmp_path / "loop",
        "it is a device, not a file": tmp_path / "/dev/zero",
        "its name is longer than the file system allows": tmp_path / ("a" * 300),
        "its name holds a NUL byte": tmp_path / "a\0b",
        "because a part of its path is a file": tmp_path / "plain" / "x",
        "does not exist": files.user_path("~nobodyatall/x"),
    }


def test_what_is_no_file_is_told_by_everything_that_opens_one(places):
    readers = {
        files.read_text: OSError,
        read_json: UserError,
        read_operator_costs: UserError,
        lambda path: read_cells(path, 2): UserError,
        lambda path: load_config(str(path)): UserError,
    }
    for words, path in places.items():
        for read, error in readers.items():
            with pytest.raises(error) as caught:
                read(path)
            told = str(caught.value)
            is_preset = "neither a file nor a preset" in told and words == "does not exist"
            assert words in told or is_preset, (path, told)
            assert "Errno" not in told


def test_permissions_are_told(tmp_path, monkeypatch):
    def refuse(*arguments):
        raise PermissionError(13, "Permission denied", "x")

    (tmp_path / "a.json").write_text("{}")
    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(OSError, match=r"^permission denied$"):
        files.read_bytes(tmp_path / "a.json")
    monkeypatch.setattr(os, "stat", refuse)
    assert files.trouble(tmp_path / "a.json") == "permission denied"
    assert not files.is_folder(tmp_path) and not files.exists(tmp_path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\xff\xfe{\x00", "UTF-16"),
        (b"{\xff", r"not UTF-8 text \(byte 1\)"),
        (b"[" * 100_000, "no JSON"),
        (b"[1]", "holds list"),
    ],
)
def test_texts_that_are_none(tmp_path, content, words):
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(OSError, match=words):
        files.read_object(tmp_path / "a.json")
    (tmp_path / "b.json").write_bytes(b'\xef\xbb\xbf{"a": 1}')
    assert files.read_object(tmp_path / "b.json") == {"a": 1}


def test_what_is_too_large_is_not_read_to_its_end(tmp_path):
    (tmp_path / "a.txt").write_text("a" * 100)
    with pytest.raises(OSError, match="larger than 99 bytes"):
        files.read_text(tmp_path / "a.txt", limit=99)


def test_a_shell_may_hand_over_a_pipe(tmp_path):
    read, write = os.pipe()
    os.write(write, b"text")
    os.close(write)
    assert files.read_text(files.Path(f"/dev/fd/{read}"), may_be_stream=True) == "text"
    os.close(read)


def test_sizes_in_words():
    assert [files.size_text(n) for n in (7, 2048, 1 << 20, 3 << 29)] == [
        "7 bytes",
        "2 KiB",
        "1 MiB",
        "1.5 GiB",
    ]


def test_a_data_path_that_no_file_can_have(places):
    from popnas import datasets

    for words, path in places.items():
        if "folder" not in words:
            with pytest.raises(DataError) as caught:
                datasets.check_path(path)
            assert words.removeprefix("it ").split(",")[0] in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("https://example.org/data.zip", "is an address, and nothing is fetched from the network"),
        ("s3://bucket/data", "is an address, and nothing is fetched"),
        ("file:///data/my%20set", "write the path alone: /data/my set"),
        ("/dev/zero", "it is a device"),
        ("~nobodyatall/x", "there is no user 'nobodyatall' whose"),
        ("$HOME/x", "holds a variable"),
        ("${DATA}/x", "holds a variable"),
        ("%USERPROFILE%/x", "holds a variable"),
        (" here ", "without the spaces around it, 'here' does"),
        ("pipe", "it is a named pipe, not a file"),
        ("here", None),
        ("a$b", None),
        ("not/there", None),
    ],
)
def test_what_is_no_path_here_is_told_with_what_to_write(text, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").mkdir()
    (tmp_path / "a$b").mkdir()  # whatever it looks like, it is there
    os.mkfifo(tmp_path / "pipe")
    told = files.not_here(text)
    assert told is None if words is None else words in told
    checked = run(["config", "check", "-j", "run_debug", "--set", f"dataset.path={json.dumps(text)}"])
    assert checked == (0 if words is None else 2)


@pytest.mark.parametrize(
    ("mistyped", "meant"),
    [
        ("data/trian/x.npz", "data/train/x.npz"),
        ("dtaa/train/x.npz", "data/train/x.npz"),
        ("dtaa/trian/y.npz", "data/train/x.npz"),
        ("DATA/train", "data/train"),
        ("data/train/nothing-like-it", None),
        (".hiddn", ".hidden"),
    ],
)
def test_the_nearest_path_that_exists(mistyped, meant, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data/train").mkdir(parents=True)
    (tmp_path / "data/train/x.npz").touch()
    (tmp_path / ".hidden").touch()
    assert files.near(Path(mistyped)) == meant


MISTYPED = [
    (["plan", "-j", "mine.jsn"], "'mine.json'"),
    (["search", "-j", "mien.json"], "'mine.json'"),
    (["search", "-j", "run_debgu"], "the preset 'run_debug'"),
    (["plan", "-j", "mine.json", "--set", "dataset.path=daat/trian"], "'data/train'"),
    (["init", "daat/train"], "'data/train'"),
    (["dataset", "inspect", "digitz"], "'digits'"),
    (["dataset", "segmentation", "daat", "-o", "new"], "'data'"),
    (["search", "-r", "logs/firts"], "'logs/first'"),
    (["search", "-r", "firts"], "'logs/first'"),
    (["evaluate", "-p", "lgos/first"], "'logs/first'"),
    (["report", "logs/firts"], "'logs/first'"),
    (["journal", "logs/firts"], "'logs/first'"),
    (["describe", "--specs", "cels.txt"], "'cells.txt'"),
    (["latency", "model.onx"], "'model.onnx'"),
    (["list", "runs", "--logs", "lgs"], "'logs'"),
    (["serch"], "'search'"),
    (["config", "chek"], "'check'"),
    (["search", "--nmae", "x"], "'--name'"),
]


@pytest.mark.parametrize(("arguments", "meant"), MISTYPED, ids=str)
def test_what_is_mistyped_gets_the_nearest_that_exists(arguments, meant, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data/train").mkdir(parents=True)
    (tmp_path / "logs/first/restore").mkdir(parents=True)
    for name in ("cells.txt", "model.onnx"):
        (tmp_path / name).touch()
    (tmp_path / "mine.json").write_text('{"dataset": {"type": "image_classification", "name": "digits"}}')
    run(arguments)
    told = " ".join(capsys.readouterr().err.split())
    assert "Did you mean" in told
    assert meant in told.partition("Did you mean")[2]
