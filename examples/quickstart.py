# %% [markdown]
# # popnas from Python
#
# A small search on the digits of scikit-learn (a minute of one core), then everything that one does with its
# result. This file is a notebook too: editors that know `# %%` cells (VS Code, PyCharm, Spyder, Jupyter with
# jupytext) open it as one.
#
#     python examples/quickstart.py

# %%
import tempfile
from pathlib import Path

from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import popnas

folder = Path(tempfile.mkdtemp(prefix="popnas-quickstart-"))

# %% [markdown]
# ## Search
# A configuration is a JSON file, a preset's name, or a dict. This one trains thirteen small networks.

# %%
config = {
    "search_space": {"blocks": 2, "lookback_depth": 1, "operators": ["identity", "3x3 conv", "2x2 maxpool"]},
    "search_strategy": {"max_children": 6, "max_exploration_children": 2},
    "training_hyperparameters": {"epochs": 3, "learning_rate": 0.01},
    "architecture_hyperparameters": {"filters": 8, "motifs": 2, "normal_cells_per_motif": 1},
    "dataset": {"type": "image_classification", "name": "digits", "batch_size": 32, "validation_size": 0.2},
    "others": {"executor": {"kind": "inline"}},
}
result = popnas.search(config, name="digits", logs=folder)
print(f"{result.num_evaluated} networks, best cell {result.best.cell}: {result.best.score:.3f}")

# %% [markdown]
# ## Look at the run
# Tables are pandas DataFrames; figures are those of the report. In a notebook `run` alone shows the front.

# %%
run = popnas.Run(result.folder)
print(run.tables)
print(run.front[["cell", "score", "time", "params"]].to_string())
run.plot("pareto_fronts").savefig(folder / "front.png")
run  # noqa: B018 - what a notebook shows

# %% [markdown]
# ## Select, train, evaluate
# The two best cells are trained longer, the better of them to the end on all data, and then it is tested.

# %%
longer = {"training_hyperparameters": {"epochs": 6, "label_smoothing": 0.1}}
selected = popnas.select(run.path, popnas.CellChoice(2), partial=longer)
trained = popnas.train(run.path, partial=longer)
(evaluation,) = popnas.evaluate(trained.folder)
print(f"selected {selected.best.cell}; test accuracy {evaluation.metrics['accuracy']:.3f}")

# %% [markdown]
# ## Predict
# The deployment folder needs ONNX Runtime and NumPy only; here popnas loads it. Images are (n, h, w[, c]) in
# 0..255 (`digits` has 0..16: popnas's data set of that name is scaled to bytes).

# %%
digits = load_digits()
images = (digits.images * (255 / 16)).round().astype("uint8")
model = popnas.load(run.path)
print(model, model.predict(images[:10]), digits.target[:10], sep="\n")

# %% [markdown]
# ## As a scikit-learn estimator
# The same stages behind `fit`, for arrays in memory.

# %%
labels = digits.target
x_train, x_test, y_train, y_test = train_test_split(images, labels, random_state=0, stratify=labels)
classifier = popnas.PopnasClassifier(
    "image_classification",
    config={key: value for key, value in config.items() if key != "dataset"},
    selection_config=longer,
    final_config=longer,
    num_selected=2,
    random_state=0,
)
print(f"accuracy {classifier.fit(x_train, y_train).score(x_test, y_test):.3f} with {classifier.cell_}")
print(sorted(path.name for path in classifier.export(folder / "deploy").iterdir()))
