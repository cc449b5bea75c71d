"""The CDCS side of Scopeline: the client that publishes records (`client`) and the web site (`site`)."""
