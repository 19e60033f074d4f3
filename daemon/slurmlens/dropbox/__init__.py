"""Where the hooks' events come in: the folder, its files, and the order in which they are taken (`stage.Dropbox`)."""

from slurmlens.dropbox.stage import ControllerDropbox, Dropbox, Token

__all__ = ["ControllerDropbox", "Dropbox", "Token"]
