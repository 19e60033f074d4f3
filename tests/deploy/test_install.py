"""Installing packages starts and enables no service of the machine, and puts back what it found."""

from __future__ import annotations

from pathlib import Path

import pytest
from deploy.install import POLICY_TEXT, enabled_services, missing, no_service_starts, restore_policy, wanted


def test_while_packages_are_installed_the_policy_forbids_service_starts_and_then_it_is_gone(tmp_path: Path) -> None:
    policy, saved = tmp_path / "policy-rc.d", tmp_path / "saved"
    with no_service_starts(policy, saved):
        assert policy.read_text().endswith("exit 101\n")
        assert policy.stat().st_mode & 0o777 == 0o755
    assert list(tmp_path.iterdir()) == []


def test_a_policy_of_the_machine_is_put_back_even_when_the_installation_fails(tmp_path: Path) -> None:
    policy, saved = tmp_path / "policy-rc.d", tmp_path / "saved"
    policy.write_text("theirs")
    with pytest.raises(RuntimeError), no_service_starts(policy, saved):
        raise RuntimeError
    assert policy.read_text() == "theirs"
    assert not saved.exists()


def test_killed_in_between_the_next_run_puts_the_machines_own_policy_back(tmp_path: Path) -> None:
    policy, saved = tmp_path / "policy-rc.d", tmp_path / "saved"
    policy.write_text(POLICY_TEXT)
    saved.write_text("theirs")
    restore_policy(policy, saved)
    assert policy.read_text() == "theirs"


def test_only_links_that_start_services_at_boot_count_as_enabled(tmp_path: Path) -> None:
    wants = tmp_path / "systemd/system/multi-user.target.wants"
    rc = tmp_path / "rc2.d"
    for folder in (wants, rc):
        folder.mkdir(parents=True)
    (wants / "mariadb.service").symlink_to("/lib/systemd/system/mariadb.service")
    (rc / "S01mariadb").symlink_to("../init.d/mariadb")
    (rc / "K01munge").symlink_to("../init.d/munge")
    assert {path.name for path in enabled_services(tmp_path)} == {"mariadb.service", "S01mariadb"}


def test_a_package_that_does_not_exist_is_missing_and_one_that_every_debian_has_is_not() -> None:
    assert missing(["dpkg", "no-such-package-at-all"]) == ["no-such-package-at-all"]


def test_the_list_names_what_the_small_slurm_runs() -> None:
    assert {"slurmctld", "slurmd", "slurmdbd", "munge", "mariadb-server"} <= set(wanted())
