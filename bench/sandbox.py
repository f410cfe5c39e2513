"""What opening a terminal costs more in a sandbox than bare: ``python -m bench.sandbox``.

From the call to the first byte of a program that says something at once: medians of windows that take turns, so that
both meet the same machine. Run it on a quiet one.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import tempfile
import time
from pathlib import Path

from webterm.drivers.local import LocalDriver
from webterm.ids import new_workspace_id
from webterm.keeper.client import shut_down
from webterm.runtime import Runtime, RuntimeLimits
from webterm.session import Launch, Size

OPENED = 15
WINDOWS = 10


async def opened(driver: LocalDriver, runtime: Runtime | None) -> float:
    """Milliseconds until a program has said something."""
    begin = time.perf_counter()
    session = await driver.open(Launch(argv=("/bin/echo", "up"), runtime=runtime), Size(80, 24))
    await session.read()
    taken = time.perf_counter() - begin
    await session.aclose()
    return taken * 1000


async def measure(directory: Path) -> None:
    """Print a line for each window, and the best."""
    files = directory / "files"
    await asyncio.to_thread(files.mkdir)
    account = 712_345 if os.geteuid() == 0 else None
    limits = RuntimeLimits(processes=512, memory=2**31)
    runtime = Runtime(workspace=new_workspace_id(), files=files, confined=True, account=account, limits=limits)
    driver = LocalDriver(directory / "data", patience=1)
    begin = time.perf_counter()
    await driver.start(runtime, print)
    print(f"the sandbox is up after {(time.perf_counter() - begin) * 1000:.0f} ms, the trial of it all included")
    found = []
    for _ in range(WINDOWS):
        times = [(await opened(driver, runtime), await opened(driver, None)) for _ in range(OPENED)]
        confined, bare = (statistics.median(pair[place] for pair in times) for place in (0, 1))
        found.append(confined - bare)
        print(f"confined {confined:.1f} ms, bare {bare:.1f} ms, more {found[-1]:.1f} ms; load {os.getloadavg()[0]:.1f}")
    print(f"best window: {min(found):.1f} ms more; median: {statistics.median(found):.1f} ms")
    await driver.stop(runtime.workspace)
    await driver.aclose()
    await shut_down(directory / "data", 0)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(measure(Path(directory)))
