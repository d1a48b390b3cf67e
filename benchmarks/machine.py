"""What was measured on: enough to repeat it, and nothing that names a machine or a person."""

from __future__ import annotations

import os
import platform
import sqlite3
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from .site import site


def describe() -> dict[str, str]:
    """The machine and the versions, in the order in which they are shown."""
    return {
        "Day": datetime.now(UTC).date().isoformat(),
        "Processor": _processor(),
        "Cores": str(os.cpu_count()),
        "Memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 1e9:.0f} GB",
        "System": f"{platform.system()} {platform.release().split('-')[0]}",
        "Load before": f"{os.getloadavg()[0]:.1f}",
        "Python": platform.python_version(),
        "SQLite": sqlite3.sqlite_version,
        "PostgreSQL": _postgresql(),
        **{name: version(name.lower()) for name in ("DBOS", "SQLAlchemy", "stripe", "Flask", "waitress")},
    }


def _processor() -> str:
    names = [line.split(":", 1)[1].strip() for line in _cpuinfo() if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _cpuinfo() -> list[str]:
    file = Path("/proc/cpuinfo")
    return file.read_text("utf-8").splitlines() if file.exists() else []


def _postgresql() -> str:
    with (
        site("http://127.0.0.1:1", database="PostgreSQL") as place,
        place.looked_into() as host,
        host.store.read() as db,
    ):
        return str(db.exec_driver_sql("SHOW server_version").scalar_one())
