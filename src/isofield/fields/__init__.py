"""(points, condition) -> values."""
