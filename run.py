"""Start a search with the flags that POPNAS users know: -j, -r, --name (`popnas search -h` explains them)."""

import sys

from popnas.cli.main import main

if __name__ == "__main__":
    main(["search", *sys.argv[1:]])
