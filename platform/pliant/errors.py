"""The five errors a caller can act on, and the message shape they share."""

from __future__ import annotations


class PliantError(Exception):
    """Anything Pliant raises on purpose. The message is for people: wrong, given, allowed."""


class InvalidInputError(PliantError):
    """The caller gave something that can never work as it is: fix it and call again."""


class NotFoundError(PliantError):
    """A named thing (file, collection, model, row) does not exist."""


class OverloadedError(PliantError):
    """There is no capacity for this request now; the same request may work later."""


class UnavailableError(PliantError):
    """Something Pliant depends on (store, decoder, model file) does not answer or is broken."""
