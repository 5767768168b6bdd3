"""How far a reconstruction is from the truth; every convention is named."""
