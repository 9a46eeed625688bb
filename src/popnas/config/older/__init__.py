"""Configurations of older versions of POPNAS, rewritten; `config.leftovers` tells of their keys in words."""
