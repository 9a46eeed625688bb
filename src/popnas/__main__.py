"""`python -m popnas` is the command line."""

from popnas.cli.main import main

if __name__ == "__main__":
    main()
