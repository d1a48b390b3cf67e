"""Telling people what needs them: by mail, by webhook, once a day."""
