"""Odd data, and what is said of them where: by `dataset inspect`, `init`, `plan` and `search` alike.

Nothing is dropped, merged, turned, cast or guessed in silence.
"""

from __future__ import annotations

import json
import os
import re

import numpy as np
import pytest
from PIL import Image

from popnas import config
from popnas.cli.main import run
from popnas.errors import UserError

RNG = np.random.default_rng(0)
TURNED = Image.Exif()
TURNED[274] = 6


def noise(*shape):
    return RNG.integers(0, 256, shape or (12, 12, 3), dtype=np.uint8)


def save(path, pixels=None, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = (
        pixels if isinstance(pixels, Image.Image) else Image.fromarray(noise() if pixels is None else pixels)
    )
    image.save(path, **options)


def folders(data, counts=(("train", 20),)):
    for split, count in counts:
        for label in ("cat", "dog"):
            for i in range(count):
                save(data / split / label / f"{i}.png")
    return data


def pairs(data, split="train", size=(16, 16), count=12):
    for i in range(count):
        y = np.zeros(size, np.uint8)
        y[: 4 + i % 4] = 1
        save(data / split / "images" / f"{i}.png", noise(*size, 3))
        save(data / split / "masks" / f"{i}.png", y)
    return data


def series(data, header="", lines=(), label="b", name="p_TRAIN.ts"):
    values = [f"{i},2,3,4,5,{i % 7}:{'a' if i % 2 else label}" for i in range(40)]
    data.mkdir(exist_ok=True)
    text = "\n".join(["@problemName p", *([header] if header else []), "@data", *values, *lines])
    (data / name).write_text(f"{text}\n")
    return data


def other_kinds(data):
    folders(data)
    for name in ("a.heic", "b.heic"):
        (data / "train/cat" / name).write_text("x")
    (data / "train/dog/notes.txt").write_text("x")


def other_split_folders(data):
    save(folders(data) / "holdout/cat/1.png")


def readable_kinds(data):
    folders(data)
    for name, form in (("w.jfif", "JPEG"), ("W.TGA", "TGA"), ("w.tiff", "TIFF"), ("W.JPE", "JPEG")):
        save(data / "train/dog" / name, format=form)


def hidden(data):
    folders(data)
    (data / "train/cat/._0.png").write_text("Mac OS X")
    save(data / "train/cat/.ipynb_checkpoints/0-checkpoint.png")
    for name in ("Thumbs.db", "desktop.ini", ".DS_Store"):
        (data / "train/cat" / name).write_text("x")
    (data / "train/__MACOSX").mkdir()


def nested(data):
    save(folders(data) / "train/dog/husky/1.png")


def beside_classes(data):
    save(folders(data) / "train/1.png")


def links(data):
    folders(data)
    (data / "train/cat/gone.png").symlink_to("nowhere.png")
    (data / "train/cat/loop").symlink_to(data / "train", target_is_directory=True)
    os.mkfifo(data / "train/dog/pipe.png")


def frames(data):
    more = [Image.fromarray(noise()) for _ in range(2)]
    save(folders(data) / "train/cat/a.gif", save_all=True, append_images=more)


def transparent(data):
    save(folders(data) / "train/cat/a.png", noise(12, 12, 4))
    opaque = noise(12, 12, 4)
    opaque[..., 3] = 255
    save(data / "train/cat/b.png", opaque)


def cmyk(data):
    save(folders(data) / "train/cat/a.jpg", Image.fromarray(noise()).convert("CMYK"))


def grey(data):
    save(folders(data) / "train/cat/g.png", noise(12, 12))


def turned(data):
    save(folders(data) / "train/cat/t.jpg", exif=TURNED)


def deep(data):
    header = b"P6 12 12 65535\n"
    folders(data)
    (data / "train/cat/d.ppm").write_bytes(header + RNG.bytes(12 * 12 * 6))


def alike_folders(data):
    folders(data)
    for i in range(10):
        save(data / "train" / "Cat" / f"{i}.png")


def one_name_in_two_forms(data):
    for label in ("cafe\u0301", "caf\u00e9", "dog"):
        for i in range(10):
            save(data / "train" / label / f"{i}.png")


def sizes(data):
    save(folders(data) / "train/cat/large.png", noise(20, 30, 3))


def unused_validation(data):
    folders(data, (("train", 20), ("valid", 5)))
    save(data / "valid/cow/1.png")


def only_image_turned(data):
    save(pairs(data) / "train/images/3.png", noise(16, 16, 3), exif=TURNED)


def mask_litter(data):
    pairs(data)
    save(data / "train/images/.ipynb_checkpoints/0-checkpoint.png")
    (data / "train/masks/readme.txt").write_text("x")


def unlabelled(data):
    pairs(data)
    y = np.full((16, 16), 255, np.uint8)
    y[:8] = 1
    save(data / "train/masks/0.png", y)


def axes(data):
    data.mkdir()
    np.savez(data / "train.npz", x=RNG.normal(size=(40, 3, 30)), y=np.arange(40) % 2)


def arrays_of_no_split(data):
    data.mkdir()
    x, y = noise(40, 12, 12, 3), np.arange(40) % 2
    np.savez(data / "Train.npz", X=x, y=y, weights=y)
    np.savez(data / "extra.npz", x=x, y=y)


def float_bytes(data):
    data.mkdir()
    x = RNG.integers(0, 17, (40, 12, 12, 1)).astype(np.float64)
    np.savez(data / "train.npz", x=x, y=np.arange(40) % 2)


def label_arrays(labels):
    def write(data):
        data.mkdir()
        np.savez(data / "train.npz", x=noise(len(labels), 12, 12, 3), y=np.array(labels))

    return write


def few_of_each(data):
    data.mkdir()
    np.savez(data / "train.npz", x=noise(40, 12, 12, 3), y=np.arange(40) // 4)


def merged_test_labels(data):
    data.mkdir()
    for split, names in (("train", ["a", "b"] * 10), ("test", ["a ", "b"] * 4)):
        np.savez(data / f"{split}.npz", x=noise(len(names), 12, 12, 3), y=np.array(names))


def one_valued_channel(data):
    data.mkdir()
    x = noise(40, 12, 12, 3)
    x[..., 1] = 7
    np.savez(data / "train.npz", x=x, y=np.arange(40) % 2)


def one_image(data):
    data.mkdir()
    np.savez(data / "train.npz", x=np.repeat(noise(1, 12, 12, 3), 40, axis=0), y=np.arange(40) % 2)


def flat_dimensions(data):
    data.mkdir()
    x = RNG.normal(size=(40, 12, 4))
    x[..., 1:3] = 0, 2.5
    np.savez(data / "train.npz", x=x, y=np.arange(40) % 2)


def alpha_in_arrays(data):
    data.mkdir()
    np.savez(data / "train.npz", x=noise(40, 12, 12, 4), y=np.arange(40) % 2)


def one_valued_channel_with_masks(data):
    pairs(data)
    for i in range(12):
        x = noise(16, 16, 3)
        x[..., 2] = 255
        save(data / f"train/images/{i}.png", x)


def keys_of_keras(data):
    data.mkdir()
    arrays = {f"x_{split}": noise(40, 12, 12) for split in ("train", "test")}
    np.savez(data / "train.npz", **arrays, **{f"y_{split}": np.arange(40) % 2 for split in ("train", "test")})


def ts_header(data):
    series(data, "@univariate false\n@seriesLength 9\n@dimensions 2")


def ts_case(data):
    series(data, "@classLabel true a B C")


def ts_other(data):
    series(series(data), name="p_EXTRA.ts")
    series(data, name="q_TRAIN.ts")
    (data / "q_TRAIN.ts").rename(data / "q_TEST.ts")


SAID = [
    (other_kinds, r"other kinds are passed over: 2 \.heic in .*train/cat; 1 \.txt in .*train/dog"),
    (other_split_folders, r"[Ff]olders beside the splits are not used \(splits are named train, .*holdout/"),
    (hidden, r"begin with a dot are passed over: 2 \(.*\._0\.png.*\.ipynb_checkpoints/"),
    (nested, r"[Ii]mages in folders inside a class folder count for that class: 1 \(.*dog/husky/"),
    (beside_classes, r"lie in no class folder are not used: 1 \(.*train/1\.png"),
    (links, r"lead nowhere, pipes and the like are passed over: 2 \(.*gone\.png.*pipe\.png"),
    (links, r"[Ll]inks back to a folder above are not followed: 1 \(.*cat/loop"),
    (frames, r"several frames or pages the first is taken: 1 \(.*a\.gif"),
    (transparent, r"[Tt]ransparency is dropped.*: 1 \(.*a\.png\)"),
    (cmyk, r"kind CMYK are converted to RGB: 1 \(.*a\.jpg"),
    (grey, r"[Gg]rey among images in colour.*: 1 \(.*g\.png"),
    (turned, r"[Tt]urned as their EXIF orientation \(tag 274\) says: 1 \(.*t\.jpg"),
    (deep, r"16 bits per channel are reduced to 8: 1 \(.*d\.ppm"),
    (alike_folders, r"only look alike are different classes: 'Cat' and 'cat'"),
    (one_name_in_two_forms, r"how accents are encoded are one class: 'caf\u00e9' \(2 spellings\)"),
    (sizes, r"[Ss]tretched to dataset\.resize.*: 1 \(.*large\.png"),
    (
        only_image_turned,
        r"may not lie on their images: the image was turned .*274.*the mask has none.*3\.png",
    ),
    (mask_litter, r"begin with a dot are passed over: 1 \(.*ipynb_checkpoints"),
    (mask_litter, r"other kinds are passed over: 1 \.txt in .*masks"),
    (axes, r"more channels \(30\) than timesteps \(3\).*numpy\.moveaxis"),
    (arrays_of_no_split, r"[Aa]rrays that belong to no split are not used: 1 \('weights'"),
    (arrays_of_no_split, r"[Ff]iles beside the splits are not used: 1 \(.*extra\.npz"),
    (float_bytes, r"[Ii]mages that are float64 without fractions are taken as bytes"),
    (float_bytes, r"brightest value of the training images is 16 of 255"),
    (label_arrays(["1", "01", "2"] * 10), r"only look alike are different classes: '01' and '1'"),
    (label_arrays(["a", "a ", "b"] * 10), r"one class: 'a' \(2 spellings\)"),
    (label_arrays(["a", "nan"] * 10), r"label 'nan' counts as a class"),
    (
        one_valued_channel,
        r"[Cc]hannel 1 has the value 7 in every pixel of all training images: nothing can be",
    ),
    (one_valued_channel_with_masks, r"[Cc]hannel 2 has the value 255 in every pixel of all training images"),
    (flat_dimensions, r"[Cc]hannels 1, 2 have the values 0, 2\.5 at every timestep of all training series"),
    (one_image, r"[Aa]ll 32 training images are equal in every value"),
    (alpha_in_arrays, r"have 4 channels.*if the fourth is transparency \(alpha\).*x\[\.\.\., :3\]"),
    (
        keys_of_keras,
        r"taken for splits by their names, 'x_train', 'y_train' as train; 'x_test', 'y_test' as test\.",
    ),
    (label_arrays([0.5, 1.5] * 10), r"numbers with fractions"),
    (label_arrays([True, False] * 10), r"False and True, which are the classes 0 and 1"),
    (
        ts_header,
        r"[Cc]ases are read as they are \(1 channel of 6 timesteps\), though the header says "
        r"@univariate false, @dimensions 2, @seriesLength 9: 1 \(",
    ),
    (ts_case, r"in the case that the header has: 20 \('b' as 'B' in .*line 4"),
    (ts_case, r"[Cc]lasses of the header that no case has: 1 \(C\)"),
    (ts_other, r"do not end in _TRAIN, _VALIDATION or _TEST are not used: 1 \(.*p_EXTRA"),
    (ts_other, r"other problems are not used: 1 \(.*q_TEST"),
]


def ids(cases):
    return [f"{write.__name__}-{number}" for number, (write, *_) in enumerate(cases)]


def initialised(tmp_path, capsys):
    """The configuration that `init` writes, and all that it said."""
    output = tmp_path / "c.json"
    assert run(["init", str(tmp_path / "data"), "-o", str(output)]) == 0, capsys.readouterr().err
    shown = capsys.readouterr()
    assert run(["config", "check", "-j", str(output)]) == 0
    assert "arning" not in "".join(capsys.readouterr()), "init writes nothing that is warned about"
    return output, shown.out + shown.err


def inspected(tmp_path, capsys, *options):
    arguments = ["dataset", "inspect", str(tmp_path / "data"), "-o", str(tmp_path / "p.html"), "--json"]
    assert run([*arguments, *options]) == 0, capsys.readouterr().err
    return json.loads(capsys.readouterr().out)


@pytest.fixture
def warned_by_search(monkeypatch, tmp_path, capsys):
    """What `popnas search` says before it trains."""

    def stop(*arguments, **options):
        raise UserError("far enough")

    def search(source):
        monkeypatch.setattr("popnas.workflows.searching.search.RunFolder.create", stop)
        monkeypatch.chdir(tmp_path)
        assert run(["search", "-j", str(source)]) == 2
        shown = capsys.readouterr().err
        assert "far enough" in shown
        return shown

    return search


@pytest.mark.parametrize(("write", "said"), SAID, ids=ids(SAID))
def test_it_is_said_by_init_inspect_and_search(tmp_path, capsys, warned_by_search, write, said):
    write(tmp_path / "data")
    source, by_init = initialised(tmp_path, capsys)
    assert re.search(said, by_init)
    if write is not sizes:  # looked at in a size that is not the data's
        found = inspected(tmp_path, capsys)
        assert re.search(said, "\n".join(found["warnings"] + found["notes"]))
    assert re.search(said, warned_by_search(source))


def in_both_splits(data):
    for write in (transparent, nested, hidden, grey):
        write(data)
    for i in range(6):
        save(data / f"test/{'cat' if i % 2 else 'dog'}/{i}.png", noise(12, 12, 4 if i < 4 else 3))
    (data / "test/cat/a.heic").write_text("x")


@pytest.mark.parametrize("write", [in_both_splits, merged_test_labels])
def test_every_command_says_the_same_words_with_the_same_numbers(tmp_path, capsys, warned_by_search, write):
    """Those that load the test split say more of that, and nothing else of the rest."""
    write(tmp_path / "data")
    source, by_init = initialised(tmp_path, capsys)
    sets = ("search_space.blocks=1", 'search_space.operators=["identity", "1x1 conv"]')
    plan = ["plan", "-j", str(source), *(part for each in sets for part in ("--set", each))]
    assert run(plan) == 0
    by_plan = capsys.readouterr().err
    warnings = [
        line.removeprefix("Warning: ") for line in by_plan.splitlines() if line.startswith("Warning: ")
    ]
    told = [line for line in warnings if "has no effect with" not in line]  # of one block
    by_search = warned_by_search(source)
    assert len(told) == (4 if write is in_both_splits else 0)
    by_inspect = inspected(
        tmp_path,
        capsys,
    )["warnings"]
    for line in told:
        assert f"Warning: {line}\n" in by_init and f"Warning: {line}\n" in by_search and line in by_inspect
    of_test = [line for line in by_inspect if line.startswith("In the test split: ")]
    assert len(of_test) == (2 if write is in_both_splits else 1)
    assert all(f"Warning: {line}\n" in by_init for line in of_test)
    assert "In the test split" not in by_search + by_plan


def test_it_is_said_by_plan(tmp_path, capsys):
    hidden(tmp_path / "data")
    source, _ = initialised(tmp_path, capsys)
    small = ("search_space.blocks=1", 'search_space.operators=["identity", "1x1 conv"]')
    settings = [part for setting in small for part in ("--set", setting)]
    assert run(["plan", "-j", str(source), *settings]) == 0
    shown = capsys.readouterr()
    assert re.search(r"Warning: Names that begin with a dot are passed over: 2", shown.err)
    assert "Not counted:       model selection and final training, which may take longer" in shown.out


REFUSED = [
    (
        "val and valid",
        lambda data: folders(data, (("train", 9), ("val", 3), ("valid", 3))),
        r"val and .*valid both are the validation split by their names",
    ),
    (
        "two training keys",
        lambda data: np.savez(
            data.with_suffix(".npz"), x=noise(9, 8, 8, 3), X_train=noise(9, 8, 8, 3), y=[1] * 9
        ),
        r"'x', 'X_train' are both 'x' of the train split",
    ),
    (
        "empty class folder",
        lambda data: (folders(data) / "train/cow").mkdir(),
        r"The class folder .*cow holds no images",
    ),
    (
        "masks without images",
        lambda data: [save(pairs(data) / "train/masks" / f"{name}.png", noise(16, 16)) for name in "ab"],
        r"The mask .*a\.png has no image: .* 2 masks have none: 2 \(a\.png, b\.png\)",
    ),
    (
        "one stem twice",
        lambda data: save(pairs(data) / "train/images/1.jpg", noise(16, 16, 3)),
        r"1\.jpg and .*1\.png have the same name but for the ending",
    ),
    (
        "turned image of another shape",
        lambda data: save(pairs(data) / "train/images/1.png", noise(16, 20, 3), exif=TURNED),
        r"mask .*1\.png is 16x16 .*its image 16x20 .*image was turned as its EXIF orientation \(tag 274\)",
    ),
    (
        "wrong lines of a .ts file",
        lambda data: series(data, lines=["1,x:a", "1,2,3:", "1,2:1:a"]),
        r"3 mistakes in the data:\n.*line 43: 'x' is no.*\n.*line 44: the class .* missing.*\n.*line 45: ",
    ),
    (
        "missing values at the end of .ts lines",
        lambda data: series(data, lines=["1,2,NaN:a", "1,?,?:b"]),
        r"line 43 holds NaN at timestep 2, .* 2 series .*line 43, .*line 44\. .*leave them out: lines may",
    ),
    (
        "channels first",
        lambda data: np.savez(
            data.with_suffix(".npz"), X_train=noise(9, 3, 16, 16), Y_train=noise(9, 16, 16) % 3
        ),
        r"'X_train' has the shape \(9, 3, 16, 16\), with the channels first.*numpy\.moveaxis\(x, -3, -1\)",
    ),
    (
        "measurements as labels",
        lambda data: np.savez(data.with_suffix(".npz"), x=noise(30, 8, 8, 3), y=RNG.normal(size=30)),
        r"no class has more than one example\. Labels that are measurements are no classes\.",
    ),
    (
        "class folders that become one",
        lambda data: [save(data / "train" / name / f"{i}.png") for name in ("cat", "cat ") for i in range(9)],
        r"single class \('cat'\).*\nWhat was done before: Labels that differ only by spaces .*: 'cat' \(2 sp",
    ),
    (
        "a class of files of another kind",
        lambda data: (
            [save(data / "train" / "cat" / f"{i}.png") for i in range(9)]
            + [save(data / "train" / "dog" / f"{i}.png") for i in range(9)]
            + [
                (data / "train" / "dog" / f"{i}.png").rename(data / "train" / "dog" / f"{i}.heic")
                for i in range(9)
            ]
        ),
        r"class folder .*dog holds no images .*\nWhat was done before: .*passed over: 9 \.heic in .*dog",
    ),
    (
        "masks of another kind",
        lambda data: [
            mask.rename(mask.with_suffix(".npy")) for mask in (pairs(data) / "train/masks").iterdir()
        ],
        r"masks holds no images .*\nWhat was done before: .*passed over: 12 \.npy in .*masks",
    ),
    (
        "16 bits",
        lambda data: save(folders(data) / "train/cat/d.png", noise(12, 12).astype(np.uint16)),
        r"d\.png has pixels of the kind 'I;16' \(more than 8 bits",
    ),
    (
        "several layouts",
        lambda data: np.savez(folders(data) / "train.npz", x=noise(20, 8, 8, 3), y=np.arange(20) % 2),
        r"holds data in several layouts, and only one can be meant",
    ),
    (
        "a test split in colour",
        lambda data: [
            save(data / split / label / f"{i}.png", noise(9, 9, 3) if split == "test" else noise(9, 9))
            for split in ("train", "test")
            for label in "ab"
            for i in range(9)
        ],
        None,
    ),
]


@pytest.mark.parametrize(("write", "said"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_it_is_refused_by_init_and_inspect_with_the_reason(tmp_path, capsys, write, said):
    data = tmp_path / "data"
    write(data)
    data = data if data.exists() else data.with_suffix(".npz")
    for command in (["init", str(data), "-o", str(tmp_path / "c.json")], ["dataset", "inspect", str(data)]):
        if command[0] == "dataset":
            command += ["-o", str(tmp_path / "p.html")]
        status = run(command)
        shown = "".join(capsys.readouterr())
        if said is None:
            assert status == 0 and re.search(r"Evaluation on test data would stop: .*3 channels", shown)
        else:
            assert status == 2 and re.search(said, shown), shown


def test_damaged_files_are_told_at_once(tmp_path, capsys):
    data = pairs(folders(tmp_path / "classes").parent / "pairs", count=30)
    folders(tmp_path / "classes")
    for i in range(12):
        (tmp_path / f"classes/train/cat/{i}.png").write_bytes(b"<html>404</html>" * (i > 0))
        (data / f"train/masks/{i}.png").write_bytes(b"")
    for place in (tmp_path / "classes", data):
        assert run(["dataset", "inspect", str(place), "-o", str(tmp_path / "p.html")]) == 2
        shown = capsys.readouterr().err
        number = 12 if place == data else 11
        assert f"one of {number} mistakes of this kind: " in shown and shown.count("cannot be read") < 3


def test_equal_images_of_different_classes(tmp_path, capsys):
    data = folders(tmp_path / "data", (("train", 20), ("test", 5)))
    (data / "test/dog/0.png").write_bytes((data / "train/cat/0.png").read_bytes())
    (data / "train/dog/1.png").write_bytes((data / "train/cat/1.png").read_bytes())
    found = inspected(tmp_path, capsys)
    assert found["num_contradictory"] == 4
    assert any(line.startswith("4 examples equal another one in every value") for line in found["warnings"])


def test_labels_that_differ_by_case_stay_apart(tmp_path, capsys):
    series(tmp_path / "data", "@classLabel true A a b", lines=["1,2,3,4,5,6:A"] * 9)
    assert inspected(tmp_path, capsys)["class_names"] == ["A", "a", "b"]


def test_kinds_that_pillow_reads_are_read(tmp_path, capsys):
    readable_kinds(tmp_path / "data")
    found = inspected(tmp_path, capsys)
    assert sum(split["num_examples"] for split in found["splits"].values()) == 44 and not found["warnings"]


def test_splits_in_their_usual_spellings(tmp_path, capsys):
    folders(tmp_path / "data", (("Train", 20), ("VALID", 5), ("Testing", 4)))
    found = inspected(tmp_path, capsys)
    assert {name: split["num_examples"] for name, split in found["splits"].items()} == {
        "train": 40,
        "validation": 10,
        "test": 8,
    }
    pairs(pairs(tmp_path / "pairs", "training"), "dev", count=4)
    (tmp_path / "pairs/dev/masks").rename(tmp_path / "pairs/dev/Labels")
    (tmp_path / "data").rename(tmp_path / "images")
    (tmp_path / "pairs").rename(tmp_path / "data")
    found = inspected(tmp_path, capsys)
    assert found["type"] == "image_segmentation" and found["splits"]["validation"]["num_examples"] == 4


def test_a_validation_split_that_cannot_be_used_is_told_with_the_reason(tmp_path, capsys):
    unused_validation(tmp_path / "data")
    source, by_init = initialised(tmp_path, capsys)
    for said in (by_init, "\n".join(inspected(tmp_path, capsys)["warnings"])):
        assert re.search(
            r"validation split of the data is not used, because .* no training example has: cow", said
        )
    assert config.load(source).dataset.validation_size == 0.2


def test_the_share_that_the_classes_need_is_taken_and_told(tmp_path, capsys):
    few_of_each(tmp_path / "data")
    source, by_init = initialised(tmp_path, capsys)
    assert config.load(source).dataset.validation_size == 0.25
    assert "25.0% of the training examples are taken for validation" in by_init


def test_init_says_which_label_it_ignores(tmp_path, capsys):
    pairs(tmp_path / "data")
    source, _ = initialised(tmp_path, capsys)
    assert '"ignore_class": null' in source.read_text()
    source.unlink()
    unlabelled(tmp_path / "data")
    source, by_init = initialised(tmp_path, capsys)
    assert config.load(source).dataset.ignore_class == 255
    assert "255 is taken for unlabelled (dataset.ignore_class)" in by_init
    source.unlink()
    for i in range(12):
        save(tmp_path / f"data/train/masks/{i}.png", np.tile(np.array([0, 255], np.uint8), (16, 8)))
    source, by_init = initialised(tmp_path, capsys)
    assert "255 is taken for a class, because without it fewer than two would be left" in by_init
    assert config.load(source).dataset.ignore_class is None


def test_images_of_which_most_differ_in_size_are_brought_to_one(tmp_path, capsys):
    for i in range(24):
        save(tmp_path / f"data/train/{'ab'[i % 2]}/{i}.png", noise(8 + i % 5, 10, 3))
    source, by_init = initialised(tmp_path, capsys)
    assert (
        "The images differ in size; dataset.resize brings all to 10x10" in by_init
    )  # none is larger than 10x12
    resize = config.load(source).dataset.resize
    assert (resize.width, resize.height) == (10, 10)


def test_a_test_split_that_cannot_be_used_is_told_and_decides_no_size(tmp_path, capsys):
    for split, number in (("train", 24), ("test", 6)):
        for i in range(number):
            size = (11, 9) if i == 3 else (8, 10)
            save(tmp_path / f"data/{split}/{'ab'[i % 2]}/{i}.png", noise(*size, 3))
    (tmp_path / "data/test/c").mkdir()
    source, by_init = initialised(tmp_path, capsys)
    assert "Evaluation on test data would stop: The class folder" in by_init
    resize = config.load(source).dataset.resize
    assert (resize.width, resize.height) == (10, 8)


def test_a_few_images_of_another_size_are_brought_to_that_of_most(tmp_path, capsys):
    for i in range(24):
        size = (11, 9) if i == 7 else (8, 10)
        save(tmp_path / f"data/train/{'ab'[i % 2]}/{i}.png", np.full((*size, 3), 40 * (i % 2) + i, np.uint8))
    source, by_init = initialised(tmp_path, capsys)
    assert "The images differ in size; dataset.resize brings all to 10x8" in by_init
    resize = config.load(source).dataset.resize
    assert (resize.width, resize.height) == (10, 8)


AMBIGUOUS = {
    "digits": (RNG.integers(0, 17, (60, 8, 8)).astype(float), "image_classification"),
    "ecg": (RNG.integers(0, 100, (60, 50, 2)), "time_series_classification"),
    "white_is_1": (RNG.random((60, 28, 28)), "image_classification"),
}


@pytest.mark.parametrize("name", AMBIGUOUS)
def test_arrays_of_two_readings_are_asked_about_and_never_guessed(tmp_path, capsys, name):
    x, likeliest = AMBIGUOUS[name]
    np.savez(tmp_path / "x.npz", x_train=x, y_train=np.arange(60) % 2)
    init = ["init", str(tmp_path / "x.npz"), "-o", str(tmp_path / "c.json")]
    assert run(init) == 2
    shown = capsys.readouterr().err
    assert "may be read as" in shown and "--type image_classification" in shown
    assert "--type time_series_classification" in shown and not (tmp_path / "c.json").exists()
    inspect = ["dataset", "inspect", str(tmp_path / "x.npz"), "-o", str(tmp_path / "p.html")]
    status = run(inspect)
    shown = "".join(capsys.readouterr())
    if name == "white_is_1":
        assert status == 2 and "(x * 255).round()" in shown
    else:
        assert status == 0 and f"It is read as {likeliest}; --type chooses." in shown
    assert run([*init, "--type", "time_series_classification"]) == 0
    assert config.load(tmp_path / "c.json").dataset.type == "time_series_classification"
    assert "may be read as" not in capsys.readouterr().err


def test_on_a_terminal_the_question_is_put(tmp_path, capsys, monkeypatch):
    np.savez(tmp_path / "x.npz", x_train=AMBIGUOUS["digits"][0], y_train=np.arange(60) % 2)
    monkeypatch.setattr("popnas.cli.data.reading_choice.is_somebody_there", lambda: True)
    monkeypatch.setattr("click.prompt", lambda *arguments, **options: "time_series_classification")
    assert run(["init", str(tmp_path / "x.npz"), "-o", str(tmp_path / "c.json")]) == 0
    assert "may be read as image_classification (8x8 pixels" in capsys.readouterr().err
    assert config.load(tmp_path / "c.json").dataset.type == "time_series_classification"


@pytest.mark.parametrize(
    ("shape", "dtype", "task"),
    [((60, 28, 28), np.uint8, "image_classification"), ((60, 30, 1), int, "time_series_classification")],
)
def test_arrays_of_one_likely_reading_are_not_asked_about(tmp_path, capsys, shape, dtype, task):
    (tmp_path / "data").mkdir()
    np.savez(tmp_path / "data/train.npz", x=RNG.integers(0, 200, shape).astype(dtype), y=np.arange(60) % 2)
    source, by_init = initialised(tmp_path, capsys)
    assert config.load(source).dataset.type == task
    assert ("--type chooses" in by_init) == (task == "image_classification")


def test_type_of_data_that_are_not_of_it(tmp_path, capsys):
    folders(tmp_path / "data")
    for options, said in (
        ([str(tmp_path / "data"), "--type", "image_segmentation"], "holds no data for image_segmentation"),
        (["digits", "--type", "image_segmentation"], "is for image_classification, not for"),
    ):
        assert run(["init", *options, "-o", str(tmp_path / "c.json")]) == 2
        assert said in capsys.readouterr().err
    assert run(["dataset", "inspect", "-j", "run", "--type", "image_segmentation"]) == 2
    assert "a configuration says its dataset.type itself" in capsys.readouterr().err


@pytest.mark.parametrize("labels", [["c" * 5000, "d" * 5000], ["e" * 4000 + "1", "e" * 4000 + "2"]])
def test_classes_of_thousands_of_characters_are_shortened_wherever_they_are_told(tmp_path, capsys, labels):
    path, page = tmp_path / "my data.npz", tmp_path / "a page.html"
    x = noise(12, 8, 8, 3)
    np.savez(
        path,
        x_train=x,
        y_train=np.array(labels * 6),
        x_test=x[:2] + 1,
        y_test=np.array([labels[0], "f" * 5000]),
    )
    assert run(["dataset", "inspect", str(path), "-o", str(page)]) == 0
    told = capsys.readouterr()
    assert max(map(len, re.findall(r"[c-f]+", told.out + told.err))) < 80
    assert f"'{path}': image classification" in told.out and f"Page: '{page}'" in told.out
    assert not re.search(r">[c-f]{100}", page.read_text())


def test_a_path_with_a_line_end_is_one_line(tmp_path, capsys):
    data = folders(tmp_path / "a b\nError: c", counts=(("test", 2),))
    assert run(["dataset", "inspect", str(data)]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_line_end_in_a_name_does_not_look_like_a_line_of_ours(tmp_path, capsys):
    for label in ("a\nError: b", "c"):
        save(tmp_path / "data" / label / "0.png")
    assert run(["init", str(tmp_path / "data")]) == 2
    told = capsys.readouterr().err
    assert r"a\nError: b" in told and "\nError: b" not in told
