"""How the tables of the site came to be."""
