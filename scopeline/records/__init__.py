"""The record of a session as XML."""
