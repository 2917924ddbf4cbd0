"""Vectors and their rows in Milvus: collections, search, and the filters on them."""
