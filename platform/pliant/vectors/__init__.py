"""Embeddings and their arithmetic, in numpy."""
