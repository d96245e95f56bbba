"""What we are made of: pinned, with hashes, and known vulnerabilities are never kept quiet about."""

import hashlib
import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from deploy.audit import KNOWN, NOT_ASKED, verdict

PACKAGES = ("alerts", "gateway", "ingest", "ndiyan", "simulator", "web")
LOCKS = {"requirements.lock": 21, "deploy/audit.lock": 21, "deploy/fuzz.lock": 1}  # with at least so many packages


@pytest.mark.parametrize(("lock", "least"), LOCKS.items())
def test_every_package_is_pinned_with_hashes_and_without_an_address(lock: str, least: int) -> None:
    text = Path(lock).read_text("utf-8")
    packages = re.split(r"\n(?=[a-z0-9])", text)
    assert len(packages) >= least
    for package in packages:
        assert re.match(r"[a-z0-9][a-z0-9._-]*(\[[a-z,]+\])?==\S+", package), package[:80]
        assert "--hash=sha256:" in package, package[:80]
    assert "://" not in text


def test_every_action_of_ci_is_pinned_by_commit_and_gets_no_token_it_needs_not() -> None:
    for file in Path(".github/workflows").glob("*.yml"):
        text = file.read_text("utf-8")
        used = re.findall(r"uses: (\S+)(.*)", text)
        assert used
        for action, said in used:
            assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", action), action
            assert re.fullmatch(r"  # v\d+\.\d+\.\d+", said), f"{action} says of no version what it is"
        assert "permissions:\n  contents: read\n" in text
        assert text.count("actions/checkout@") == text.count("persist-credentials: false")


def _told(**vulns: list[dict[str, object]] | None) -> str:
    return json.dumps({"dependencies": [
        {"name": name, "version": "1.0", "vulns": found} if found is not None else {"name": name, "skip_reason": "away"}
        for name, found in vulns.items()
    ]})  # fmt: skip


BAD: list[dict[str, object]] = [{"id": "PYSEC-2026-1", "fix_versions": ["1.1"]}]


@pytest.mark.parametrize(
    ("told", "words", "code"),
    [
        pytest.param(_told(a=[], b=[]), "2 packages, no known vulnerability", 0, id="none-known"),
        pytest.param(_told(a=[], b=BAD), "b 1.0: PYSEC-2026-1, mended in 1.1", KNOWN, id="one-known"),
        pytest.param(_told(a=[], b=None), "NOT ASKED about 1 of 2 packages", NOT_ASKED, id="one-not-asked"),
        pytest.param(_told(a=BAD, b=None), "PYSEC-2026-1", KNOWN, id="known-and-not-asked"),
        pytest.param(_told(), "NOT ASKED about 0 of 0", NOT_ASKED, id="nothing"),
        pytest.param("", "NOT ASKED", NOT_ASKED, id="no-answer"),
        pytest.param("[]", "NOT ASKED", NOT_ASKED, id="another-answer"),
    ],
)
def test_an_audit_that_could_ask_nobody_is_no_clean_one(told: str, words: str, code: int) -> None:
    said, found = verdict(told)
    assert words in said
    assert found == code


@pytest.mark.parametrize(
    ("code", "check", "audit"),
    [
        pytest.param(0, True, True, id="none-known"),
        pytest.param(NOT_ASKED, True, False, id="nobody-asked"),
        pytest.param(KNOWN, False, False, id="one-known"),
    ],
)
def test_a_vulnerability_that_is_known_fails_the_check_and_one_that_nobody_was_asked_about_the_audit_alone(
    tmp_path: Path, code: int, check: bool, audit: bool
) -> None:
    for venv, lock, programs in (("ours", "requirements", "python ruff mypy"), ("apart", "deploy/audit", "python")):
        (tmp_path / venv / "bin").mkdir(parents=True)
        pinned = hashlib.sha256(Path(f"{lock}.lock").read_bytes()).hexdigest()[:16]
        (tmp_path / venv / ".ready").write_text(f"{pinned}\n")
        for program in programs.split():
            (tmp_path / venv / "bin" / program).write_text(f"#!/bin/sh\nexit {code if venv == 'apart' else 0}\n")
            (tmp_path / venv / "bin" / program).chmod(0o755)
    environments = [f"VENV={tmp_path / 'ours'}", f"AUDIT={tmp_path / 'apart'}"]

    def passes(target: str) -> bool:
        return subprocess.run(["make", target, *environments], capture_output=True, check=False).returncode == 0

    assert (passes("check"), passes("audit")) == (check, audit)


def test_checks_of_security_are_on_and_each_exception_in_our_code_has_its_reason() -> None:
    settings = Path("pyproject.toml").read_text("utf-8")
    assert re.search(r'^select = \[.*"S"', settings, re.MULTILINE)
    packages = ("alerts", "gateway", "ingest", "ndiyan", "web")
    ruff = [sys.executable, "-m", "ruff", "check", "--no-cache", *packages]
    found = subprocess.run(ruff, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout + found.stderr
    for package in packages:
        for file in Path(package).rglob("*.py"):
            for line in file.read_text("utf-8").splitlines():
                if re.search(r"# noqa: .*\bS\d", line):
                    assert re.search(r"# noqa: [A-Z0-9, ]+?( - |  )\w", line), f"{file}: {line.strip()}"


def test_the_wheel_holds_every_file_of_our_packages_and_every_licence(tmp_path: Path) -> None:
    """What a server installs is not what the tests import."""
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        held = set(archive.namelist())
    listed = subprocess.run(["git", "ls-files", *PACKAGES], check=True, capture_output=True, text=True)
    assert set(listed.stdout.splitlines()) - held == set()
    licences = {name.partition("/licenses/")[2] for name in held if "/licenses/" in name}
    assert licences == {"LICENSE", "LICENSES/EUPL-1.2.txt", "web/static/uplot/LICENSE"}
