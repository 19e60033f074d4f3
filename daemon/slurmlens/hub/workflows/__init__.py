"""Workflows that a Galaxy runs because something happened here: each trigger once, whatever dies when.

The protocol (ADR 45): a trigger's row is written once, by its key; the workflow is invoked with a pause in front; the
invocation's id is written down; that one is released. Of several invocations that a stall or a crash made, one runs.
"""
