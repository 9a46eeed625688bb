"""The command line: `main.py` (table of commands, handling of errors) and one file per command.

Every other room may be imported here, but only inside the functions that need it, so that `popnas --help`
stays fast; nothing imports this room. To add a command: one file with a click command named `command`, and
its line in `main.COMMANDS`. Options that several commands share are in `_options.py`, tables and JSON in
`_output.py`.
"""
