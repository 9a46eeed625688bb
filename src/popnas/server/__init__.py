"""`popnas serve`: an HTTP API and a web page for the runs in a folder (extra `server`).

It looks at runs from outside, as their journals and files say, and does everything else by starting the
command line as child processes, which outlive it. Here nothing may be imported that reaches torch.

`access/` (who may ask for what: the guard, names and paths from outside), `jobs/` (child processes and their
queue), `watching/` (journals followed and told to pages, results, logs), `commands` (requests as command
lines), `configurations`, `boards` (TensorBoard), `webhooks`, `answers` (all that the API takes and answers),
`routes/` (one file per kind of question, such as `runs`), `services` (all parts together), `app` (the
process), `page/` (the page's files).

To add a question: a route in `routes/` with its answer in `answers`. To add a command: a method of
`commands.Commands` and its route in `routes/actions.py`.
"""
