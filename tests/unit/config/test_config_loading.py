"""A configuration is either understood whole, or its error names file, line and key and says what to do."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slurmlens.config.convert import all_keys, convert, hints_of, is_section, section_type
from slurmlens.config.hub import HubConfig
from slurmlens.config.load import examine, load_hub, load_node
from slurmlens.config.node import NodeConfig
from slurmlens.config.setting import constraint_of
from slurmlens.errors import ConfigError


@pytest.fixture
def write(tmp_path: Path):
    """`write(text)` puts a node.toml into a folder of its own; `write(text, "conf.d name")` adds to it."""

    def put(text: str | bytes, addition: str | None = None) -> Path:
        main = tmp_path / "node.toml"
        path = main if addition is None else tmp_path / "node.conf.d" / addition
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return main

    return put


def error_of(path: Path) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        load_node(path)
    return caught.value


def test_an_empty_file_gives_all_defaults_and_no_sink(write) -> None:
    assert load_node(write("")) == NodeConfig()
    assert load_node(write("")).sinks.hub is None


def test_what_a_file_says_wins_and_the_rest_keeps_its_default(write) -> None:
    config = load_node(write('cluster = "hpc"\n[sampling]\ninterval_s = 1\n[sinks.carbon]\nport = 2103\n'))
    assert (config.cluster, config.sampling.interval_s, config.sampling.slow_every) == ("hpc", 1.0, 6)
    assert config.sinks.carbon is not None
    assert (config.sinks.carbon.host, config.sinks.carbon.port) == ("127.0.0.1", 2103)


def test_an_empty_table_switches_a_sink_on(write) -> None:
    assert load_node(write("[sinks.hub]\n")).sinks.hub is not None


def test_conf_d_files_are_merged_in_the_order_of_their_names_and_the_last_wins(write) -> None:
    write('[sinks.carbon]\nhost = "a"\nport = 1\n')
    write('[sinks.carbon]\nhost = "c"\n', "20-site.toml")
    write('[sinks.carbon]\nhost = "b"\nresend_window_s = 2\n', "10-rack.toml")
    path = write("this is not read", ".30-hidden.toml")
    carbon = load_node(path).sinks.carbon
    assert carbon is not None
    assert (carbon.host, carbon.port, carbon.resend_window_s) == ("c", 1, 2.0)


def test_an_error_in_a_conf_d_file_names_that_file_and_line(write) -> None:
    write("slots = 4\n")
    path = write("# site\n\n[sampling]\nslow_every = 0\n", "10-site.toml")
    error = error_of(path)
    assert error.path == path.parent / "node.conf.d" / "10-site.toml"
    assert (error.line, error.key) == (4, "sampling.slow_every")


@pytest.mark.parametrize(
    ("text", "line", "key", "advice"),
    [
        ('"a\\nb\\u001b[31m" = 1', 1, "'a\\nb\\x1b[31m'", "unknown key; known in the top of the file: cluster"),
        ("\nclustre = 'x'", 2, "clustre", "did you mean cluster?"),
        ("[sampling]\ninterval = 10", 2, "sampling.interval", "did you mean interval_s?"),
        ("[sampling]\ninterval_ms = 10", 2, "sampling.interval_ms", "did you mean interval_s?"),
        ("interval_s = 10", 1, "interval_s", "did you mean sampling.interval_s?"),
        (
            "[sinks.elastic]\nport = 5",
            1,
            "sinks.elastic",
            "known in [sinks]: hub, carbon, logstash, beats, kafka, file",
        ),
        ('[sinks.beats]\nca_file = "/ca.pem"', 2, "sinks.beats.ca_file", "is for TLS: set tls = true"),
        (
            '[sinks.logstash]\ntls = true\ncertificate_file = "/n.pem"',
            3,
            "sinks.logstash.certificate_file",
            "needs key_file too",
        ),
        ('[sinks.logstash]\ntls = true\nkey_file = "n.key"', 3, "sinks.logstash.key_file", "begins with /"),
        ('[sampling]\ninterval_s = "10s"', 2, "sampling.interval_s", "write interval_s = 10"),
        ('[sampling]\ninterval_s = "2 min"', 2, "sampling.interval_s", "write interval_s = 120"),
        (
            '[profile]\nmemory_limit_bytes = "8MiB"',
            2,
            "profile.memory_limit_bytes",
            "write memory_limit_bytes = 8388608",
        ),
        ('[sampling]\ninterval_s = "soon"', 2, "sampling.interval_s", 'a number of seconds, found "soon"'),
        ("[sampling]\ninterval_s = true", 2, "sampling.interval_s", "a number of seconds, found True"),
        ("[sampling]\ninterval_s = nan", 2, "sampling.interval_s", "found nan"),
        ("[sampling]\ninterval_s = 0.01", 2, "sampling.interval_s", "the least is 0.1"),
        ("slots = 1000", 1, "slots", "the most is 64"),
        ("slots = 2.5", 1, "slots", "a whole number"),
        ("sampling = 10", 1, "sampling", "write [sampling]"),
        ("dropbox_path = 'events'", 1, "dropbox_path", "begins with /"),
        ("dropbox_path = 7", 1, "dropbox_path", "a path in quotes"),
        ("cluster = '../x'", 1, "cluster", "letters, digits"),
        ("cluster = ''", 1, "cluster", "letters, digits"),
        ("[log]\nlevel = 'loud'", 2, "log.level", "one of debug, info, warning, error"),
        ("[sinks.hub]\nurl = 'ftp://hub:6830'", 2, "sinks.hub.url", "http://HOST:PORT"),
        ("[sinks.hub]\nurl = 'http://hub'", 2, "sinks.hub.url", "http://HOST:PORT"),
        ("[sinks.hub]\nurl = 'http://hub:0'", 2, "sinks.hub.url", "0 is no port"),
        ("[sinks.hub]\nauth = 'token'", 1, "sinks.hub.token_file", "needs it"),
        ("[sinks.carbon]\nbackoff_min_s = 100", 1, "sinks.carbon.backoff_max_s", "at least backoff_min_s"),
        ("sinks.carbon = { port = 0 }", 1, "sinks.carbon.port", "the least is 1"),
    ],
)
def test_a_wrong_setting_names_line_and_key_and_says_what_to_do(
    write, text: str, line: int, key: str, advice: str
) -> None:
    error = error_of(write(text))
    assert (error.line, error.key) == (line, key)
    assert advice in str(error)
    assert "\n" not in str(error)


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://hub.site:6830", ("hub.site", 6830)),
        ("http://[::1]:80/", ("::1", 80)),
        ("http://10.0.0.1:1", ("10.0.0.1", 1)),
    ],
)
def test_the_hub_s_url_gives_host_and_port(write, url: str, address: tuple[str, int]) -> None:
    hub = load_node(write(f'[sinks.hub]\nurl = "{url}"')).sinks.hub
    assert hub is not None
    assert hub.address == address


def test_lists_must_be_lists_of_texts(tmp_path: Path) -> None:
    path = tmp_path / "hub.toml"
    path.write_text("[auth]\nallowed_users = 'root'\n")
    with pytest.raises(ConfigError, match=r'expected a list of texts, .* found "root"'):
        load_hub(path)


def test_a_hub_that_nobody_may_send_to_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "hub.toml"
    path.write_text("[auth]\nmunge = false\n")
    with pytest.raises(ConfigError, match="nobody could send events"):
        load_hub(path)


def test_of_several_errors_the_first_is_told_with_the_number_of_the_others(write) -> None:
    path = write("slots = 1000\nclustre = 'x'\n[log]\nlevel = 1\n")
    assert "(and 2 more: `slurmlens validate" in str(error_of(path))
    _, errors = examine(NodeConfig, path)
    assert [error.line for error in errors] == [1, 2, 4]


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    assert "no such file" in str(error_of(tmp_path / "absent.toml"))


def test_a_folder_in_place_of_the_file_says_so(tmp_path: Path) -> None:
    assert "cannot be read (Is a directory)" in str(error_of(tmp_path))


def test_toml_that_is_none_names_the_line_and_shows_it(write) -> None:
    error = error_of(write("slots = 4\n[sampling]\ninterval_s = 10s\n"))
    assert error.line == 3
    assert "interval_s = 10s" in str(error)


@pytest.mark.parametrize(
    "text", ["a = ", "[x", 'x = """', "x = 1\nx = 2", "\x00", "[a]\n[a]", "a = " + "[" * 5000, "a = " + "9" * 5000]
)
def test_broken_toml_of_any_kind_is_one_line_of_error(write, text: str) -> None:
    error = error_of(write(text))
    assert error.line is not None
    assert "\n" not in str(error)


def test_a_file_that_is_not_utf_8_names_the_line(write) -> None:
    error = error_of(write(b"slots = 4\n# \xff\n"))
    assert error.line == 2
    assert "UTF-8" in str(error)


@pytest.mark.parametrize("kind", [NodeConfig, HubConfig])
def test_every_setting_is_explained_and_its_default_passes_its_own_check(kind: type) -> None:
    for path in all_keys(kind):
        owner = kind
        for part in path[:-1]:
            owner = section_type(hints_of(owner)[part])
        field = next(field for field in dataclasses.fields(owner) if field.name == path[-1])
        assert constraint_of(field).text
        if is_section(hints_of(owner)[field.name]) or field.default in (None, dataclasses.MISSING):
            continue
        default = field.default
        written = (
            list(default) if isinstance(default, tuple) else str(default) if isinstance(default, Path) else default
        )
        made, problems = convert(owner, {field.name: written})
        assert [problem for problem in problems if problem.path == (field.name,)] == []
        assert getattr(made, field.name) == default


def scalars() -> st.SearchStrategy[str]:
    return st.one_of(
        st.integers().map(str),
        st.sampled_from(["9" * 400, "1e999", "-inf", "nan", "true", "[]", "[1]", "{}", "07:32:00", "1979-05-27", '""']),
        st.text(max_size=20).map(json.dumps),
        st.floats().map(repr),
    )


@settings(max_examples=200)
@given(st.lists(st.tuples(st.sampled_from(sorted(all_keys(NodeConfig))), scalars()), max_size=4), st.text(max_size=30))
def test_whatever_a_file_holds_it_is_settings_or_errors_of_one_line(
    tmp_path_factory: pytest.TempPathFactory, assignments: list[tuple[tuple[str, ...], str]], noise: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzzed.toml"
    text = "\n".join(f"{'.'.join(key)} = {value}" for key, value in assignments)
    for content in (text, text + "\n" + noise):
        path.write_bytes(content.encode("utf-8", "surrogatepass"))
        try:
            config, errors = examine(NodeConfig, path)
        except ConfigError as error:
            errors = [error]
        else:
            assert isinstance(config, NodeConfig)
        assert all(str(error).isprintable() for error in errors)


def test_a_byte_order_mark_is_named(tmp_path: Path) -> None:
    path = tmp_path / "hub.toml"
    path.write_bytes(b'\xef\xbb\xbfcluster = "a"\n')
    with pytest.raises(ConfigError, match=r"hub.toml:1: begins with a byte order mark: save it as UTF-8 without BOM"):
        load_hub(path)
