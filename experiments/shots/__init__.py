"""Shots: corpora with known transitions, and how well detectors find them."""
