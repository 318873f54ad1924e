"""``python -m alphatwin`` is the command ``alphatwin``."""

from alphatwin.cli import main

if __name__ == "__main__":
    main()
