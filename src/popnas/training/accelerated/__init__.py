"""What GPUs and TPUs have beside the plain steps of the loop: `graphed`, steps that are recorded and
replayed; `compiled`, steps of compiled networks; `turns`, trainings that share one and are timed alone;
`xla`, all that is a TPU's.

Nothing here changes what a network learns. May not be imported: `loop`, which takes what it needs from here.
"""
