"""Whole jobs composed from the parts, in rooms. The only place that wires the other rooms together.

- `whole`: search, model selection, final training and evaluation as one budgeted job;
- `studies`: predictors compared on what runs and tables know of cells;
- `tables`: tables of trained cells, and NAS-Bench-201;
- `searching`: the search itself, its plan, the views of a run; what evaluates its cells it does not know;
- `models`: what becomes of its cells: model selection, final training, evaluation, deployment;
- `data`: data looked at before a run, and the data of a run.

Each imports only those that stand below it. `settings` (a configuration read with the registries' names),
`describe` (what is known of cells without training) and `advice` (what to do about failed candidates) serve
all four and import none.

May import everything below; nothing but `cli` and `api` (and `popnas.__init__`, lazily) imports it. A new
job is a new module with one entry function in its room, and a thin command in `cli`.
"""
