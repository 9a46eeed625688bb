"""The command line: `main.py` (table of commands, handling of errors) and one file per command.

- `jobs/`      commands that work and leave files: search, plan, select, train, e2e, evaluate, export, latency
- `data/`      commands about data: init, dataset
- `looking/`   commands that are called for what they show: report, watch, pick, describe, draw, config, ...
- `tables/`    commands about tables of trained cells: bench
- `terminal/`  what all share: progress bars, tables, wrapped text, signals, options, mistakes in words

Every other room may be imported here, but only inside the functions that need it, so that `popnas --help`
stays fast; nothing imports this room. To add a command: one file with a click command named `command`, and
its line in `main.COMMANDS`. Options that several commands share are in `terminal/options.py`, tables and
JSON in `terminal/output.py`.
"""
