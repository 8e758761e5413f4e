"""The REST API for people: look, confirm, dismiss, restrict, hold, release."""
