"""What a kind of GPU is good at: in which layout and type of numbers a training step is fastest.

A choice that is timed anew each time would differ from run to run, so it is measured once per kind of device
and version of PyTorch (`timed`), and kept (`kept`): for this user, and in the folder of each run, where the
run's workers, later stages and a resumed search find it first. On a CPU nothing is measured: the rules of
`placement` hold.
"""
