"""Official checkpoints and key names <-> ours; one file per lineage."""
