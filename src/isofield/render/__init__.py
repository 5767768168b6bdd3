"""Rays and functions of space -> images."""
