"""Settings: where they come from, what wins, and that every fault is told at once."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from webterm.errors import SettingsError
from webterm.settings import Server, Settings, rows
from webterm.settings_sources import load

ROOT = Path(__file__).parent.parent
LOG_BYTES = "a whole number from 65536 to 67108864, a multiple of 4096"


def faults(
    file: Path | None = None, /, *, flags: dict[str, tuple[str, object]] | None = None, **environ: str
) -> list[str]:
    """What is said about these sources."""
    with pytest.raises(SettingsError) as caught:
        load(file, environ, flags)
    return caught.value.faults


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "webterm.toml"


def test_defaults_alone_are_settings() -> None:
    assert load() == Settings()
    assert load().server.port == 8080


def test_a_stronger_source_wins(file: Path) -> None:
    file.write_text("[server]\nport = 1\nlog_level = 'debug'\n[terminals]\ntotal = 5\n")
    environ = {"WEBTERM_SERVER__PORT": "2", "WEBTERM_TERMINALS__TOTAL": "6"}
    settings = load(file, environ, {"server.port": ("--port", "3"), "server.host": ("--host", None)})
    assert settings.server.port == 3
    assert settings.terminals.total == 6
    assert settings.server.log_level == "debug"
    assert settings.server.host == "127.0.0.1"


def test_text_from_the_environment_becomes_its_type() -> None:
    settings = load(
        environ={
            "WEBTERM_SERVER__HOST": "0.0.0.0",
            "WEBTERM_SERVER__ALLOWED_HOSTS": "a.example, ::1,",
            "WEBTERM_SERVER__COMPRESSION": "true",
            "WEBTERM_SERVER__PUBLIC_URL": "",
            "WEBTERM_TERMINALS__RESUME_GRACE": "2.5",
            "WEBTERM_LOCAL__ENV": '{"EDITOR": "vim"}',
            "WEBTERM_LOCAL__SHELL": "null",
            "WEBTERM_SKIP_WEB": "1",
        }
    )
    assert settings.server.allowed_hosts == ("a.example", "::1")
    assert settings.server.compression is True
    assert settings.server.public_url is None
    assert settings.terminals.resume_grace == 2.5
    assert settings.local.env == {"EDITOR": "vim"}
    assert settings.local.shell == "null"


def test_every_fault_is_told_at_once_with_source_key_found_and_allowed(file: Path) -> None:
    file.write_text("[server]\nport = 70000\nprot = 1\n[locl]\n[terminals]\nlog_bytes = 65537\ntotal = true\n")
    told = faults(
        file,
        flags={"server.host": ("--host", "a b")},
        WEBTERM_SERVER__LOOP="fast",
        WEBTERM_TERMINALS__PER_ACTR="1",
    )
    assert sorted(told) == sorted(
        [
            f"{file}: server.port: found 70000, allowed: a whole number from 0 to 65535",
            f"{file}: unknown key server.prot; did you mean port?",
            f"{file}: unknown section [locl]; did you mean local?",
            f"{file}: terminals.log_bytes: found 65537, allowed: {LOG_BYTES}",
            f"{file}: terminals.total: found True, allowed: a whole number from 1 to 100000",
            "environment: unknown variable WEBTERM_TERMINALS__PER_ACTR; did you mean WEBTERM_TERMINALS__PER_ACTOR?",
            'WEBTERM_SERVER__LOOP: server.loop: found \'fast\', allowed: one of "asyncio", "auto", "uvloop"',
            "--host: server.host: found 'a b', allowed: an IP address or a host name, without scheme and port",
        ]
    )


def test_a_key_in_the_wrong_section_is_shown_its_own(file: Path) -> None:
    file.write_text("[server]\nclose_grace = 1\n")
    assert faults(file) == [f"{file}: unknown key server.close_grace; did you mean local.close_grace?"]


def test_a_faulty_value_is_told_though_a_stronger_source_overrides_it(file: Path) -> None:
    file.write_text("[server]\nport = 'x'\n")
    assert len(faults(file, WEBTERM_SERVER__PORT="80")) == 1


def test_a_file_that_is_missing_or_no_toml_is_a_fault(file: Path) -> None:
    assert "cannot be read: No such file" in faults(file)[0]
    file.write_text("[server\n")
    assert "is not TOML" in faults(file, WEBTERM_SERVER__PORT="x")[0]
    file.write_bytes(b"\xff")
    assert "is not TOML" in faults(file)[0]
    file.write_text("server = 1\n")
    assert faults(file) == [f"{file}: server: found 1, allowed: a section [server]"]


@pytest.mark.parametrize("number", ["nan", "inf", "-1", "1e9", "'1'"])
def test_seconds_are_finite_and_bounded(file: Path, number: str) -> None:
    file.write_text(f"[terminals]\nresume_grace = {number}\n")
    assert "a number from 0 to 3600" in faults(file)[0]


def test_secrets_are_not_echoed() -> None:
    told = faults(WEBTERM_LOCAL__ENV="TOKEN=hunter2", WEBTERM_SERVER__PUBLIC_URL="https://me:hunter2@host")
    assert len(told) == 2
    assert "hunter2" not in "".join(told)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "terminal.example"])
def test_listening_beyond_loopback_needs_a_name(host: str) -> None:
    told = faults(WEBTERM_SERVER__HOST=host)
    assert len(told) == 1
    assert told[0].startswith("WEBTERM_SERVER__HOST: server.host")
    assert "allowed_hosts" in told[0]
    assert "public_url" in told[0]
    load(environ={"WEBTERM_SERVER__HOST": host, "WEBTERM_SERVER__ALLOWED_HOSTS": "a.example"})
    load(environ={"WEBTERM_SERVER__HOST": host, "WEBTERM_SERVER__PUBLIC_URL": "https://a.example/t"})


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost", "LOCALHOST"])
def test_loopback_needs_none(host: str) -> None:
    assert load(environ={"WEBTERM_SERVER__HOST": host}).hosts >= {"127.0.0.1", "localhost", "[::1]"}


@pytest.mark.parametrize(
    "url",
    [
        "host",
        "ftp://host",
        "https://",
        "https://a@host",
        "https://host/?q",
        "https://host/#f",
        "https://h o",
        "javascript:1",
    ],
)
def test_a_public_url_is_a_plain_one(url: str) -> None:
    assert "server.public_url" in faults(WEBTERM_SERVER__PUBLIC_URL=url)[0]


@pytest.mark.parametrize("name", ["a:80", "http://a", "*.a", "a/b", "-a", "a..b", "fe80::1%eth0"])
def test_an_allowed_host_is_a_bare_name(name: str) -> None:
    assert "server.allowed_hosts" in faults(WEBTERM_SERVER__ALLOWED_HOSTS=name)[0]


@pytest.mark.parametrize("origin", ["a", "https://a/", "https://a/b", "https://a; script-src *", "'self'", "https://*"])
def test_a_frame_ancestor_is_an_origin(origin: str) -> None:
    assert "server.frame_ancestors" in faults(WEBTERM_SERVER__FRAME_ANCESTORS=origin)[0]


@pytest.mark.parametrize("domain", ["example.org", "Webterm.Example.org"])
def test_previews_are_not_above_the_server(domain: str) -> None:
    environ = {"WEBTERM_SERVER__PUBLIC_URL": "https://webterm.example.org", "WEBTERM_PREVIEWS__DOMAIN": domain}
    with pytest.raises(SettingsError, match=r"previews\.domain: the server itself is webterm\.example\.org"):
        load(environ=environ)
    assert load(environ=environ | {"WEBTERM_PREVIEWS__DOMAIN": "apps.example.org"}).previews.domain


@pytest.mark.parametrize("pattern", ["*/x", "*.example.org/x", "ghcr*/x:1", "**", "python**", "example.org:*/x"])
def test_images_come_from_registries_that_have_names(pattern: str) -> None:
    (fault,) = faults(WEBTERM_DOCKER__IMAGES=f"python:*,{pattern}")
    assert f"docker.images: {pattern!r} would let images in from anybody's registry" in fault


@pytest.mark.parametrize("image", ["foo bar", "", "A/B", "python:*", "https://a/b", "a" * 256])
def test_an_image_has_a_name_that_engines_take(image: str) -> None:
    first, second = faults(WEBTERM_DOCKER__IMAGE=image, WEBTERM_DOCKER__GUARD_IMAGE=image)
    assert "docker.image:" in first
    assert "docker.guard_image:" in second


def test_hosts_are_as_a_host_header_has_them() -> None:
    server = Server(host="192.0.2.1", allowed_hosts=("A.Example", "2001:DB8::1"), public_url="https://B.example:8443/t")
    assert Settings(server=server).hosts == {"a.example", "[2001:db8::1]", "b.example"}


@pytest.mark.parametrize(
    ("server", "url"),
    [
        (Server(), "http://127.0.0.1:9/"),
        (Server(host="::1"), "http://[::1]:9/"),
        (Server(host="0.0.0.0", allowed_hosts=("a.example", "b.example")), "http://a.example:9/"),
        (Server(host="::", allowed_hosts=("2001:db8::1",)), "http://[2001:db8::1]:9/"),
        (Server(host="0.0.0.0", public_url="https://a.example/t"), "https://a.example/t/"),
    ],
)
def test_the_url_is_one_that_a_browser_may_use(server: Server, url: str) -> None:
    assert Settings(server=server).url(9) == url


def test_the_data_directory_follows_xdg(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    assert Settings().data_dir == Path("/home/somebody/.local/share/webterm")
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert Settings().data_dir == Path("/data/webterm")
    assert Settings(server=Server(data_dir="~/here")).data_dir == Path("/home/somebody/here")


def test_a_thousand_terminals_of_one_person_can_be_set() -> None:
    assert load(environ={"WEBTERM_TERMINALS__PER_ACTOR": "1000"}).terminals.per_actor == 1000


def test_every_setting_is_explained() -> None:
    assert [row.key for row in rows() if not row.help.endswith(".")] == []


def test_the_example_names_every_setting_with_its_default(file: Path) -> None:
    text = (ROOT / "config.example.toml").read_text(encoding="utf-8")
    file.write_text(re.sub(r"^#(\w+ = )", r"\1", text, flags=re.MULTILINE))
    assert load(file) == Settings()
    assert re.findall(r"^#(\w+) = ", text, flags=re.MULTILINE) == [row.name for row in rows()]


def test_the_documents_made_from_the_settings_are_fresh() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "scripts.generate_config", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
