"""Waits for what does not come while it is imported."""

import threading

threading.Event().wait(30)
