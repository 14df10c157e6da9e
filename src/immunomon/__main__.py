"""``python -m immunomon``: the command line, where the folder of the program itself is not on the PATH."""

from immunomon.cli.main import main

if __name__ == "__main__":
    main()
