"""Commands of popnas that the server runs for others: `record` (what is kept of one), `process` (the child
process, and how it is found again), `queue` (which of them run, and which wait).

A job is one command on one run. All that is known of it lies on disk before it counts, so a server that was
killed finds its jobs again, those that run and those that wait.
"""
