"""The service edge of Pliant: operations on Ray Serve, over HTTP and gRPC."""
