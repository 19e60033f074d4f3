"""Where the hooks' events come in: the folder, its files, and the order in which they are taken (`stage.Dropbox`)."""

from slurmlens.node.dropbox.stage import Dropbox, Token

__all__ = ["Dropbox", "Token"]
