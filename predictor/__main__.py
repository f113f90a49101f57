"""Run the command line as `python -m predictor`."""

from predictor.cli import main

main()
