"""What the API answers, one file per kind of question: `runs` (lists, streams, logs, results), `actions`
(start, stop, resume, delete, the stages after a search), `configuration`, `files`, `boards` (TensorBoard),
`session` (logging in, health) and `page` (the page's own files).

A route reads its parameters and asks the parts in `services`; what is wrong is raised as `popnas.errors`
has it and becomes an answer in `server.app`.
"""
