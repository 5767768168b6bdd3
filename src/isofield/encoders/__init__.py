"""Observation -> condition."""
