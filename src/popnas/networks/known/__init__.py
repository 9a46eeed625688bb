"""Networks that are known, to compare found ones with: `references` says which there are (torch-free), and
`random_kernels` is the one that no cell stands for, `fitted` at once by its `ridge` head.

May import what networks are made of; `macros` alone knows how these are built.
"""
