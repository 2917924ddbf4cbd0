"""Model families: each is one module with a prepare (CPU) and a forward (device)."""
