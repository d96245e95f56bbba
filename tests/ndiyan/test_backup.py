"""A backup gives back what was saved: the same rows, the same overview, the same files, on a fresh server."""

from __future__ import annotations

import json
import os
import pwd
import re
import shutil
import signal
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from typer.testing import CliRunner

from gateway.clock import ManualClock
from ingest.db import Connection, connect, newest_migration, schema_number
from ndiyan import backup as backup_module
from ndiyan import embedded_postgres, sealing
from ndiyan import restore as restore_module
from ndiyan.backup import (
    BackupConfig,
    age_of_newest,
    check_backup,
    find_backup,
    let_go,
    list_backups,
    make_backup,
    superfluous,
)
from ndiyan.children import Account, become_owner
from ndiyan.cli import app
from ndiyan.contents import Contents
from ndiyan.embedded_postgres import Binaries, EmbeddedPostgres, find_binaries, postgres_account
from ndiyan.errors import BackupError, NdiyanError, SettingsError, StartRefused
from ndiyan.manifest import DATABASE, MANIFEST, NAME, PROOF, Backup, Manifest, read_backup
from ndiyan.restore import check_files, restore, restore_files
from ndiyan.sealing import new_key, read_key
from ndiyan.supervisor import tidied_up
from tests.conftest import skip_without
from tests.web.web_site import Site
from web.access import begin_session, count_sessions, create_login_link, purpose_of
from web.accounts import disable, find_account, let_in
from web.errors import LinkRefused
from web.rights import Role

NOW = datetime(2026, 3, 9, 10, 40, tzinfo=UTC)


@pytest.fixture
def folder(server_folder: Path) -> Iterator[Path]:
    """For backups, where the account of the database server can go."""
    made = Path(tempfile.mkdtemp(prefix="backups-", dir=server_folder))
    made.chmod(0o711)
    yield made
    shutil.rmtree(made)


@pytest.fixture
def fresh_server(request: pytest.FixtureRequest, past: Site, folder: Path) -> Iterator[str]:
    """Another server, set up this minute, as on a machine that was bought after the fire."""
    with connect(past.url) as connection:
        variant = connection.execute("SELECT variant FROM migration LIMIT 1").fetchone()
        major = connection.info.server_version // 10_000
    preload = {"shared_preload_libraries": "timescaledb"} if variant == ("timescale",) else {}
    server = EmbeddedPostgres(
        folder / "fresh", secret_file=folder / "secret", log=folder / "log", account=postgres_account(),
        at_least=major, settings=preload,
    )  # fmt: skip
    (folder / "fresh").mkdir()
    (folder / "fresh").chmod(0o711)
    try:
        server.start()
    except NdiyanError as error:
        skip_without(request.config, "a second PostgreSQL", str(error), optional=bool(preload))
    yield server.url()
    server.stop()


@pytest.fixture
def key_file(folder: Path) -> Path:
    file = folder / "backup.key"
    new_key(file)
    return file


def overview_page(site: Site, url: str) -> str:
    """The overview as a browser gets it from this database, without what differs between two visits."""
    there = replace(site, url=url, config=replace(site.config, database_url=url))
    with there.app() as client:
        assert client.get(there.login_path()).status_code == 303
        page = client.get("/en/").raise_for_status().text
    return re.sub(r'name="csrf" value="[^"]*"|datetime="[^"]*"></time>|data-made="[^"]*"', "", page)


def drop_database(url: str, name: str) -> None:
    """Let go of what a restore has kept."""
    with connect(make_conninfo(url, dbname="postgres")) as admin:
        admin.execute(psycopg.sql.SQL("DROP DATABASE {}").format(psycopg.sql.Identifier(name)))


@pytest.mark.db
@pytest.mark.slow
def test_a_backup_restored_on_a_fresh_server_shows_the_same_overview(
    past: Site, folder: Path, fresh_server: str, key_file: Path
) -> None:
    settings_file = folder / "ndiyan.toml"
    settings_file.write_text("[web]\nport = 8000\n", "utf-8")
    config = BackupConfig(folder / "kept", read_key(key_file), (settings_file,))
    made = make_backup(past.url, config, past.clock, say=lambda line: None)
    assert made.folder.name == "ndiyan-20260302T104000Z"
    assert sorted(path.name for path in made.folder.iterdir()) == [
        "database.dump.age", "files.tar.gz.age", "manifest.hmac", "manifest.json",
    ]  # fmt: skip
    assert made.part(DATABASE).read_bytes().startswith(b"age-encryption.org/v1")
    rows, _ = made.manifest.contents.tables["reading"]
    with connect(past.url) as connection:
        assert connection.execute("SELECT count(*) FROM reading").fetchone() == (rows,)

    done = restore(fresh_server, made, config.key, over=False, now=past.clock.now())
    assert done.kept_as is None
    assert done.rows == sum(number for number, _ in made.manifest.contents.tables.values())
    page = overview_page(past, fresh_server)
    assert page == overview_page(past, past.url)
    assert "zone-3" in page

    restore_files(made, config.key, folder / "back")
    assert (folder / "back" / settings_file.relative_to("/")).read_text("utf-8") == "[web]\nport = 8000\n"


@pytest.mark.db
def test_a_database_that_is_not_empty_is_replaced_only_when_told_and_kept(
    database_url: str, folder: Path, clock: ManualClock
) -> None:
    config = BackupConfig(folder / "kept")
    with connect(database_url) as connection:
        connection.execute("INSERT INTO webhook VALUES ('before', true)")
    made = make_backup(database_url, config, clock, say=lambda line: None)
    with connect(database_url) as connection:
        connection.execute("UPDATE webhook SET name = 'after'")

    def names(url: str) -> list[str]:
        with connect(url) as connection:
            return [name for (name,) in connection.execute("SELECT name FROM webhook")]

    with pytest.raises(BackupError, match=r"is not empty: nothing was changed \(with --over"):
        restore(database_url, made, None, over=False, now=clock.now())
    with (
        connect(database_url, application="ndiyan-ingest"),
        pytest.raises(BackupError, match="is in use by ndiyan-ingest: stop the services first"),
    ):
        restore(database_url, made, None, over=True, now=clock.now())
    assert names(database_url) == ["after"]

    done = restore(database_url, made, None, over=True, now=clock.now())
    assert done.kept_as is not None
    kept = make_conninfo(database_url, dbname=done.kept_as)
    try:
        assert (names(database_url), names(kept)) == (["before"], ["after"])
    finally:
        drop_database(database_url, done.kept_as)


def of_restores(url: str) -> list[str]:
    """The databases of the tests' server that a restore over this one has made or kept."""
    name = str(conninfo_to_dict(url)["dbname"])
    with connect(make_conninfo(url, dbname="postgres")) as admin:
        return [one for (one,) in admin.execute("SELECT datname FROM pg_database") if one.startswith(f"{name}_")]


@pytest.mark.db
def test_a_restore_that_somebody_stands_in_the_way_of_at_its_end_leaves_everything_as_it_was(
    database_url: str, folder: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make_backup(database_url, BackupConfig(folder / "kept"), clock, say=lambda line: None)
    real = restore_module.restore_into
    opened = []

    def an_hour_long(url: str, backup: Backup, key: None) -> int:
        rows = real(url, backup, key)
        opened.append(connect(database_url, application="psql"))  # and one forgot that the services are to stand
        return rows

    monkeypatch.setattr(restore_module, "restore_into", an_hour_long)
    with pytest.raises(BackupError, match="is in use by psql: stop the services first"):
        restore(database_url, made, None, over=True, now=clock.now())
    opened.pop().close()
    assert of_restores(database_url) == []
    with connect(database_url) as connection:
        assert schema_number(connection) == newest_migration()


@pytest.mark.db
def test_between_the_two_renames_of_a_restore_there_is_no_moment_without_a_database(
    database_url: str, folder: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make_backup(database_url, BackupConfig(folder / "kept"), clock, say=lambda line: None)
    real = restore_module._execute

    def until_the_link_is_lost(connection: Connection, statement: str, *names: str) -> None:
        real(connection, statement, *names)
        if "RENAME" in statement:
            signal.raise_signal(signal.SIGHUP)

    monkeypatch.setattr(restore_module, "_execute", until_the_link_is_lost)
    with pytest.raises(KeyboardInterrupt), tidied_up():
        restore(database_url, made, None, over=True, now=clock.now())
    assert of_restores(database_url) == []
    with connect(database_url) as connection:
        assert schema_number(connection) == newest_migration()


@pytest.mark.db
def test_a_check_and_the_nightly_backup_do_not_sweep_each_other_away(
    database_url: str, folder: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make_backup(database_url, BackupConfig(folder), clock, say=lambda line: None)
    refused = []

    def meanwhile(backup: Backup, key: None) -> int:
        assert [one.name[:9] for one in backup_module.leftovers(folder)] == []
        with pytest.raises(BackupError, match="another backup is being made or checked") as error:
            make_backup(database_url, BackupConfig(folder), clock, say=lambda line: None)
        refused.append(error)
        return 0

    monkeypatch.setattr(backup_module, "_try", meanwhile)
    check_backup(made, None)
    assert len(refused) == 1


@pytest.mark.db
@pytest.mark.skipif(os.geteuid() != 0, reason="only root may be somebody else for a moment")
def test_an_open_database_that_a_killed_check_of_root_has_left_is_told_by_the_nightly_backup(
    folder: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    nobody = pwd.getpwnam("nobody")
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    (left := folder / ".scratch-x").mkdir()
    (left / "PG_VERSION").write_text("15", "utf-8")
    told: list[str] = []
    monkeypatch.setattr(backup_module, "_save", lambda *given: pytest.fail("the end of this story", pytrace=False))
    os.seteuid(nobody.pw_uid)
    try:
        with pytest.raises(pytest.fail.Exception):
            make_backup("postgresql://127.0.0.1:1/x", BackupConfig(folder), clock, say=told.append)
    finally:
        os.seteuid(0)
    assert told == [
        f"{left} is of a backup or check that was killed, open to whoever has the disk: rm -r {left}, as root"
    ]
    with pytest.raises(pytest.fail.Exception):
        make_backup("postgresql://127.0.0.1:1/x", BackupConfig(folder), clock, say=told.append)
    assert (len(told), left.exists()) == (1, False), "root can"


@pytest.mark.db
def test_who_was_logged_in_when_a_backup_was_made_is_not_after_its_restore(
    database_url: str, folder: Path, clock: ManualClock
) -> None:
    now = clock.now()
    with connect(database_url) as connection:
        let_in(connection, "Mariama", Role.ENGINEER, now_wall=now)
        begin_session(connection, "Mariama", way="link", now_wall=now)
        link = create_login_link(connection, person="Mariama", now_wall=now)
    made = make_backup(database_url, BackupConfig(folder), clock, say=lambda line: None)
    with connect(database_url) as connection:
        disable(connection, "Mariama", by="Awa (web)", now=now, now_wall=now)
    done = restore(database_url, made, None, over=True, now=now)
    try:
        with connect(database_url) as connection:
            assert find_account(connection, "Mariama").disabled_at is None, "which somebody has to see to"
            assert count_sessions(connection, "Mariama", now_wall=now) == 0
            with pytest.raises(LinkRefused, match="used"):
                purpose_of(connection, link, now_wall=now)
    finally:
        drop_database(database_url, done.kept_as or "")


@pytest.mark.db
def test_a_backup_that_does_not_give_back_everything_gets_no_name(
    database_url: str, folder: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = make_backup(database_url, BackupConfig(folder), clock, say=lambda line: None)
    with connect(database_url) as connection:
        connection.execute("INSERT INTO webhook VALUES ('office', true)")
    real = Backup.part

    def yesterdays(backup: Backup, name: str) -> Path:
        return real(good, name)  # a dump that is whole, and of another day

    monkeypatch.setattr(Backup, "part", yesterdays)
    clock.advance(timedelta(days=1))
    with pytest.raises(BackupError, match="does not give back what was saved: webhook: 0 rows, 1 expected"):
        make_backup(database_url, BackupConfig(folder), clock, say=lambda line: None)
    assert sorted(path.name for path in folder.iterdir()) == [".lock", good.folder.name]
    assert age_of_newest(folder, clock.now()) == timedelta(days=1)


@pytest.mark.db
def test_a_damaged_file_or_another_key_is_told_before_anything_is_changed(
    database_url: str, folder: Path, clock: ManualClock, key_file: Path
) -> None:
    made = make_backup(database_url, BackupConfig(folder, read_key(key_file)), clock, say=lambda line: None)
    new_key(folder / "other.key")
    with pytest.raises(BackupError, match="this key does not open it"):
        restore(database_url, made, read_key(folder / "other.key"), over=True, now=clock.now())
    with pytest.raises(BackupError, match=r"is encrypted: set backup\.key_file to its key"):
        restore(database_url, made, None, over=True, now=clock.now())
    content = bytearray(made.part(DATABASE).read_bytes())
    content[-1] ^= 1
    made.part(DATABASE).write_bytes(content)
    with pytest.raises(BackupError, match="is damaged"):
        check_files(made)
    with connect(make_conninfo(database_url, dbname="postgres")) as admin:
        left = admin.execute("SELECT datname FROM pg_database WHERE datname LIKE '%\\_restored\\_%'").fetchall()
    assert left == []


@pytest.mark.db
def test_whoever_may_not_make_roles_is_told_which_to_have_made(
    postgres: str, database_url: str, folder: Path, clock: ManualClock
) -> None:
    made = make_backup(database_url, BackupConfig(folder), clock, say=lambda line: None)
    gone = replace(made, manifest=replace(made.manifest, roles=("ndiyan_test_gone", "ndiyan_test_away")))
    name = f"ndiyan_test_plain_{os.getpid()}"
    with connect(postgres) as admin:
        admin.execute(f"CREATE ROLE {name} LOGIN CREATEDB PASSWORD 'plain'")  # type: ignore[call-overload]
        try:
            url = make_conninfo(postgres, user=name, password="plain", dbname=name)
            wanted = "; ".join(f"CREATE ROLE ndiyan_test_{one} ADMIN {name}" for one in ("gone", "away"))
            with pytest.raises(BackupError, match=f"{name} may not make roles .*: as a superuser, {wanted}"):
                restore(url, gone, None, over=False, now=clock.now())
        finally:
            admin.execute(f"DROP ROLE {name}")  # type: ignore[call-overload]


def by_root(*words: str) -> int:
    """The exit code of `ndiyan backup …` in a process of its own, which root begins and may go on as somebody else."""
    if (child := os.fork()) == 0:
        code = 70
        try:
            result = CliRunner().invoke(app, ["backup", *words])
            print(result.output, result.exception)
            code = result.exit_code
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.fixture
def theirs(database_url: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> pwd.struct_passwd:
    """Whose the folder of the backups is, on an installation that root looks after."""
    if os.geteuid() != 0:
        pytest.skip("only root may be somebody else")
    nobody = pwd.getpwnam("nobody")
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    monkeypatch.setenv("NDIYAN_BACKUP_FOLDER", str(folder))
    monkeypatch.setenv("NDIYAN_DATABASE_URL", database_url)
    return nobody


@pytest.mark.db
def test_what_root_makes_by_hand_the_nightly_one_can_read_and_let_go_of(
    theirs: pwd.struct_passwd, folder: Path
) -> None:
    assert by_root() == 0
    (made,) = list_backups(folder)
    there = [folder / ".lock", made.folder, *made.folder.iterdir()]
    assert {(one.stat().st_uid, one.stat().st_gid) for one in there} == {(theirs.pw_uid, theirs.pw_gid)}
    assert by_root("check", str(made.folder)) == 0
    assert backup_module.leftovers(folder) == []


@pytest.mark.db
def test_a_first_backup_by_root_that_fails_keeps_no_nightly_one_from_being_made(
    theirs: pwd.struct_passwd, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = os.environ["NDIYAN_DATABASE_URL"]
    monkeypatch.setenv("NDIYAN_DATABASE_URL", make_conninfo(right, port="1"))
    assert by_root() != 0
    assert {one.stat().st_uid for one in folder.iterdir()} == {theirs.pw_uid}
    monkeypatch.setenv("NDIYAN_DATABASE_URL", right)
    assert by_root() == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a folder to somebody")
def test_a_folder_of_somebody_whom_this_machine_does_not_know_is_told(folder: Path) -> None:
    os.chown(folder, 54321, 54321)
    with pytest.raises(StartRefused, match=f"{folder} is of user 54321, whom this machine does not know: chown it"):
        become_owner(folder)


@pytest.mark.db
@pytest.mark.parametrize("words", [[], ["check"]])
def test_a_link_that_the_owner_of_the_folder_plants_makes_root_write_over_nothing(
    theirs: pwd.struct_passwd, folder: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch, words: list[str],
    tmp_path: Path, database_url: str,
) -> None:  # fmt: skip
    if words:
        made = make_backup(database_url, BackupConfig(folder), clock, say=lambda line: None)
        for one in (folder / ".lock", made.folder, *made.folder.iterdir()):
            os.chown(one, theirs.pw_uid, theirs.pw_gid)
    roots = tmp_path / "shadow"
    roots.write_text("root's own", "utf-8")
    planted = folder / "planted"

    def plant(account: Account | None = None) -> Iterator[Binaries]:
        """While root's server is looked for, which takes a moment."""
        (scratch,) = folder.glob(".scratch-*")
        (scratch / "first-password").symlink_to(roots)
        planted.touch()
        yield from find_binaries(account)

    monkeypatch.setattr(embedded_postgres, "find_binaries", plant)
    assert by_root(*words) != 0
    assert planted.exists()
    assert (roots.read_text("utf-8"), roots.stat().st_uid) == ("root's own", 0)


@pytest.mark.db
@pytest.mark.skipif(os.geteuid() != 0, reason="only root may be somebody else for a moment")
def test_a_file_that_may_not_be_read_is_named_with_its_cure(
    database_url: str, folder: Path, clock: ManualClock
) -> None:
    nobody = pwd.getpwnam("nobody")
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    (folder / "etc").mkdir(mode=0o755)
    (secret := folder / "etc" / "secrets.env").write_text("NDIYAN_SMS_ORANGE_CLIENT_SECRET=x\n", "utf-8")
    secret.chmod(0o600)
    os.seteuid(nobody.pw_uid)
    try:
        with pytest.raises(BackupError, match=f"nobody may not read {secret}: chgrp nobody {secret} && chmod g\\+r"):
            make_backup(database_url, BackupConfig(folder, None, [folder / "etc"]), clock, say=lambda line: None)
    finally:
        os.seteuid(0)
    assert sorted(path.name for path in folder.iterdir()) == [".lock", "etc"]


@pytest.mark.db
def test_a_path_that_is_misspelt_is_not_told_as_missing_rights(
    database_url: str, folder: Path, clock: ManualClock
) -> None:
    config = BackupConfig(folder, None, [folder / "zone"])
    with pytest.raises(BackupError, match=rf"^backup\.paths: {folder}/zone is not there$"):
        make_backup(database_url, config, clock, say=lambda line: None)


@pytest.mark.db
def test_a_backup_without_room_is_told_how_much_it_needs_and_what_to_do(
    database_url: str, folder: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=1_000_000))
    cure = r"make room, or choose another backup\.folder"
    with pytest.raises(StartRefused, match=rf"1 MB free and \d+ MB are needed: {cure}$"):
        make_backup(database_url, BackupConfig(folder), clock, say=lambda line: None)


def test_a_folder_that_takes_nothing_is_told_in_words(tmp_path: Path, clock: ManualClock) -> None:
    (tmp_path / "disk").write_text("not mounted", "utf-8")
    with pytest.raises(BackupError, match=r"backup\.folder: \w+ cannot write into .*/disk/ndiyan: Not a directory"):
        make_backup("postgresql://127.0.0.1:1/x", BackupConfig(tmp_path / "disk" / "ndiyan"), clock)


def test_a_key_is_never_written_over_and_its_file_is_private(tmp_path: Path) -> None:
    file = tmp_path / "backup.key"
    public = new_key(file)
    assert file.stat().st_mode & 0o777 == 0o600
    assert str(read_key(file).to_public()) == public
    with pytest.raises(BackupError, match="no key is written there: File exists"):
        new_key(file)
    file.write_text("not a key\n", "utf-8")
    with pytest.raises(SettingsError, match=r"backup\.key_file: .* holds no line AGE-SECRET-KEY-"):
        read_key(file)


def test_a_key_that_root_makes_opens_for_the_services_which_save_by_night(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealing, "service_account", lambda: Account("ndiyan", os.getuid(), os.getgid()))
    file = tmp_path / "backup.key"
    new_key(file)
    assert file.stat().st_mode & 0o777 == 0o640


@pytest.mark.db
def test_a_backup_that_somebody_without_the_key_has_made_is_taken_only_when_told(
    database_url: str, folder: Path, clock: ManualClock, key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = read_key(key_file)
    kept = folder / "kept"
    made = make_backup(database_url, BackupConfig(kept, key), clock, say=lambda line: None)
    assert find_backup(kept, "newest", now=clock.now(), key=key) == read_backup(made.folder, key) == made
    true = (made.folder / MANIFEST).read_text("utf-8")

    def doubt(name: str = "newest") -> str:
        with pytest.raises(BackupError) as refusal:
            find_backup(kept, name, now=clock.now(), key=key)
        return str(refusal.value).partition("backup.key_file: ")[2].partition(";")[0]

    false = replace(made.manifest, roles=(*made.manifest.roles, "theirs"))
    (made.folder / MANIFEST).write_text(false.to_json(), "utf-8")  # by whoever has the disk that it was copied to
    assert doubt(made.folder.name) == "manifest.hmac is of another"
    (made.folder / PROOF).unlink()
    assert doubt() == "manifest.hmac cannot be read: No such file or directory"
    (made.folder / MANIFEST).write_text(replace(made.manifest, recipient=None).to_json(), "utf-8")
    (made.folder / DATABASE).write_bytes(b"a dump of theirs")
    assert doubt() == "it is not encrypted"
    new_key(folder / "other.key")
    theirs = str(read_key(folder / "other.key").to_public())
    (made.folder / MANIFEST).write_text(replace(made.manifest, recipient=theirs).to_json(), "utf-8")
    assert doubt() == f"it was closed for {theirs}"

    (made.folder / MANIFEST).write_text(true, "utf-8")  # as of a version that wrote no proof
    for name, setting in (("FOLDER", kept), ("KEY_FILE", key_file)):
        monkeypatch.setenv(f"NDIYAN_BACKUP_{name}", str(setting))
    monkeypatch.setenv("NDIYAN_DATABASE_URL", database_url)
    for asked in (["backup", "check"], ["restore"]):
        refused = CliRunner().invoke(app, [*asked, str(made.folder)])
        assert (type(refused.exception), refused.exit_code) == (BackupError, 1), refused.output
        assert "with --unproven" in str(refused.exception)
    checked = CliRunner().invoke(app, ["backup", "check", str(made.folder), "--unproven"])
    assert checked.exit_code == 0, checked.output


def made_on(day: datetime) -> Backup:
    contents = Contents(day, {}, None)
    return Backup(Path(f"{day:%Y%m%d}"), Manifest(day, day, "0.1.0", 15, None, (), None, contents, {}))


def put_backup(folder: Path, made_at: datetime) -> Path:
    """A backup as `list_backups` finds it, with nothing in it."""
    place = folder / f"{made_at:{NAME}}"
    place.mkdir()
    (place / MANIFEST).write_text(made_on(made_at).manifest.to_json(), "utf-8")
    return place


def test_seven_days_four_weeks_and_twelve_months_are_kept() -> None:
    first = datetime(2025, 1, 1, 2, 30, tzinfo=UTC)
    kept: list[Backup] = []
    for day in range(700):  # to 1 December 2026, a Tuesday
        kept.append(made_on(first + timedelta(days=day)))
        gone = {backup.folder for backup in superfluous(kept)}
        kept = [backup for backup in kept if backup.folder not in gone]
    assert [str(backup.folder) for backup in reversed(kept)] == [
        "20261201", "20261130", "20261129", "20261128", "20261127", "20261126", "20261125",  # seven days
        "20261122", "20261115",  # the Sundays that end the weeks before: of four, two are days above
        "20261031", "20260930", "20260831", "20260731", "20260630", "20260531", "20260430", "20260331", "20260228",
        "20260131",  # ends of months; with December and November, which stand above, twelve
    ]  # fmt: skip


def test_the_last_backup_stays_however_old_it_is() -> None:
    assert superfluous([made_on(datetime(2019, 1, 1, tzinfo=UTC))]) == []


def test_what_is_no_backup_is_passed_over_and_a_wrong_name_is_told(tmp_path: Path) -> None:
    (tmp_path / "ndiyan-20260101T000000Z").mkdir()
    (tmp_path / "ndiyan-20260102T000000Z").mkdir()
    (tmp_path / "ndiyan-20260102T000000Z" / "manifest.json").write_text(json.dumps({"format": 9}), "utf-8")
    assert list_backups(tmp_path) == []
    with pytest.raises(BackupError, match=r"format 9 is not 1: restore it with the version that wrote it"):
        find_backup(tmp_path, "ndiyan-20260102T000000Z", now=NOW)
    with pytest.raises(BackupError, match="holds no backup"):
        find_backup(tmp_path, "newest", now=NOW)


def test_the_newest_is_none_of_a_clock_that_was_ahead(tmp_path: Path) -> None:
    ahead = put_backup(tmp_path, NOW + timedelta(days=365))
    with pytest.raises(BackupError, match=f"no backup of before 2026-03-09 10:40 UTC: .* the name: {ahead.name}"):
        find_backup(tmp_path, "newest", now=NOW)
    assert find_backup(tmp_path, ahead.name, now=NOW).folder == ahead
    just_made = put_backup(tmp_path, NOW + timedelta(minutes=4))  # and the clock was set back a little
    assert find_backup(tmp_path, "newest", now=NOW).folder == just_made


def test_backups_of_a_clock_that_was_ahead_take_no_place_of_others_and_stay(tmp_path: Path) -> None:
    days = [put_backup(tmp_path, NOW - timedelta(days=day)) for day in range(9)]
    ahead = [put_backup(tmp_path, NOW.replace(year=2027, month=month)) for month in range(1, 13)]
    let_go(tmp_path, NOW)
    # Seven days, and 1 March, a Sunday, for the week before.
    assert {backup.folder for backup in list_backups(tmp_path)} == {*ahead, *days[:7], days[8]}
