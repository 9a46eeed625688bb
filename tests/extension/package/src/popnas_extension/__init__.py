"""One part of every family of popnas, each in a module of its own that an entry point names."""
