"""Mathematics without a position in the house: evaluation, spectra, scattering."""
