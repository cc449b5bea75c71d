"""Each module is a command; one of an application stands in for Django's of the same name."""
