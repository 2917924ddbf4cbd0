"""Imports openvino without openvino-telemetry, which reports every import to its makers.

The package falls back to a stub of its own when the telemetry is not there.
"""

from __future__ import annotations

import sys

_TELEMETRY = "openvino_telemetry"

if "openvino" in sys.modules or _TELEMETRY in sys.modules:
    import openvino
else:
    sys.modules[_TELEMETRY] = None  # pyright: ignore[reportArgumentType] "cannot be imported"
    try:
        import openvino
    finally:
        del sys.modules[_TELEMETRY]

opset15 = openvino.opset15

__all__ = ["openvino", "opset15"]
