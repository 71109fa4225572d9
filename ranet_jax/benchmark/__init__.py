"""How fast the network is on this machine."""
