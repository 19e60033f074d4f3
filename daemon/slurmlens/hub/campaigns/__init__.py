"""Optimisation campaigns as their controllers tell them: kept, and shown to those who may see their owner's jobs."""
