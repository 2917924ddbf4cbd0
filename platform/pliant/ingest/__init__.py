"""From sources to records: discover, read, chunk, fingerprint. No models, no stores, no Ray."""
