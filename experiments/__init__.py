"""The report's experiments as rows of data, and the benchmarks."""
