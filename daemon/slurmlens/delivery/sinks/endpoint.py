"""Where a receiver is, as sinks ask it: the names of `runtime.endpoint`, which the HTTP client below shares."""

from slurmlens.runtime.endpoint import Address, AddressRotation, Endpoint, FixedEndpoint, text_of

__all__ = ["Address", "AddressRotation", "Endpoint", "FixedEndpoint", "text_of"]
