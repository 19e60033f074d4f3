"""Where a receiver is, as sinks ask it: the names of `runtime.endpoint`, which the HTTP client below shares."""

from slurmlens.runtime.endpoint import Address, Endpoint, FixedEndpoint, Turns, text_of

__all__ = ["Address", "Endpoint", "FixedEndpoint", "Turns", "text_of"]
