"""What plugstack.conf and the files that it includes load."""

from __future__ import annotations

from pathlib import Path

from slurmlens.slurm.plugstack import PluginLine, plugin_lines


def test_lines_of_included_files_stand_in_their_place(tmp_path: Path) -> None:
    plugin = tmp_path / "ours.so"
    plugin.touch()
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "ours.conf").write_text(f"# ours\noptional {plugin} options=yes\n")
    main = tmp_path / "plugstack.conf"
    main.write_text("required /nowhere/first.so # of the site\ninclude d/*.conf\n\noptional\n")
    assert list(plugin_lines(main)) == [
        PluginLine(True, "/nowhere/first.so", False),
        PluginLine(False, str(plugin), True),
    ]


def test_a_file_that_includes_itself_ends(tmp_path: Path) -> None:
    main = tmp_path / "plugstack.conf"
    main.write_text("optional /x.so\ninclude plugstack.conf\n")
    assert len(list(plugin_lines(main))) == 5


def test_no_file_loads_nothing(tmp_path: Path) -> None:
    assert list(plugin_lines(tmp_path / "plugstack.conf")) == []
