"""Looks at a Scene and its files; knows no system."""
