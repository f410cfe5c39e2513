"""``webterm doctor`` on this machine, and on one that lacks things."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from webterm import datadir


def doctor(data: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "webterm", "doctor", "--data-dir", str(data), *words]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WEBTERM")}
    return subprocess.run(
        command, env={**kept, **environment}, capture_output=True, text=True, timeout=100, check=False
    )


def found(data: Path, **environment: str) -> dict[str, dict[str, object]]:
    ran = doctor(data, "--json", **environment)
    said = json.loads(ran.stdout)
    assert said["healthy"] is (ran.returncode == 0)
    return {finding["name"]: finding for finding in said["findings"]}


def test_this_machine_has_everything(tmp_path: Path) -> None:
    ran = doctor(tmp_path / "data")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    for name in ("python", "data", "server", "database", "sandbox", "memory", "processes", "files", "inotify", "disk"):
        assert f" {name} " in ran.stdout
    assert "bubblewrap" in ran.stdout
    assert not (tmp_path / "data").exists()


def test_findings_can_be_read_by_programs(tmp_path: Path) -> None:
    names = found(tmp_path / "data")
    assert names["sandbox"]["works"] is names["sandbox"]["needed"] is True
    assert all(set(finding) == {"name", "works", "needed", "found", "mend"} for finding in names.values())


def test_without_bubblewrap_it_says_what_to_do(tmp_path: Path) -> None:
    sandbox = found(tmp_path / "data", PATH=str(tmp_path))["sandbox"]
    assert (sandbox["works"], sandbox["needed"]) == (False, True)
    assert "install bubblewrap" in str(sandbox["found"])


def test_what_the_settings_do_not_ask_for_may_be_missing(tmp_path: Path) -> None:
    ran = doctor(tmp_path / "data", PATH=str(tmp_path), WEBTERM_LOCAL__ISOLATION="refuse")
    assert ran.returncode == 0, ran.stdout
    assert "absent   sandbox" in ran.stdout


def test_a_data_directory_that_others_can_read_is_no_good(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir(mode=0o755)
    data = found(tmp_path / "data")["data"]
    assert data["works"] is False
    assert "chmod 700" in str(data["mend"])


def test_a_running_server_is_seen_and_left_alone(tmp_path: Path) -> None:
    hold = datadir.Hold(datadir.prepare(tmp_path / "data"))
    try:
        assert f"process {os.getpid()}" in str(found(tmp_path / "data")["server"]["found"])
    finally:
        hold.release()


def test_a_database_that_is_none_is_told(tmp_path: Path) -> None:
    data = datadir.prepare(tmp_path / "data")
    (data / "webterm.db").write_text("this is no database, whatever its name says" * 100)
    database = found(data)["database"]
    assert database["works"] is False
    assert database["mend"]
