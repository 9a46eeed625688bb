"""Configurations of older versions of POPNAS: `leftovers` says in words what their keys are called now,
`migrating` rewrites them.
"""
