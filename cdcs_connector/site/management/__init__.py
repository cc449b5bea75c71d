"""Commands of Django that the site has in its own form."""
