"""Files -> observations and training batches; one file per format."""
