"""Functions of space -> meshes."""
