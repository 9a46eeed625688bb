"""Runs as seen from outside: `feeds` (journals, read once and then followed), `streams` (the same as
server-sent events), `summaries` (a run at a glance), `results` (what came of it, several on one scale) and
`logs`.

Nothing here changes a run.
"""
