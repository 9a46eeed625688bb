"""Trained networks, each in a folder of its own (`folder.ModelFolder`): `selection.select`,
`final_training.train`, `evaluation.evaluate` and `deployment.deploy` make and read them.

`choices` says what they are asked for, `requests` what configuration that makes (a batch size scales the
learning rate there), `training` fills a folder and resumes it to the byte, `files` writes what lies there
beside the weights, `macro_variants` are the wider and deeper networks of a cell. Rooms of their own:
`timing`, what trainings take and how they share a limit, `stored`, what they go on from, and `ensembles`,
networks that answer together. May import the room `data`; not `searching`, not `whole`: a network is trained
and judged without knowing how its cell was found.
"""
