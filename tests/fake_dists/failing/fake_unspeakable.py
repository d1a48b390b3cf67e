"""Fails with an error whose text cannot be read."""


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


raise Unspeakable
