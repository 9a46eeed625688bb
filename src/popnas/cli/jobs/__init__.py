"""Commands that work and leave files: the search, what follows it, and how fast its networks answer."""
