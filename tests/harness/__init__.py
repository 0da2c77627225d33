"""What the black-box tests stand on: real processes, raw API calls, a worker driven by hand."""
