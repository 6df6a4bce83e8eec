"""openmsi.env.example and config.config: each line means a setting, shows its default, and nothing is left out.

And values survive every way into a program unchanged.
"""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from openmsi_core.command_line import NOT_OPTIONS
from openmsi_core.config_file import read_config
from openmsi_core.env_file import parse_env_file
from openmsi_core.health import main as health_check
from openmsi_core.programs import OPTIONS
from openmsi_core.settings import ProgramSettings, load
from openmsi_downloader.settings import DownloadSettings
from openmsi_processor.settings import ProcessorSettings
from openmsi_s3_transfer.settings import TransferSettings
from openmsi_uploader.settings import FileSettings, WatchSettings

ROOT = Path(__file__).parents[2]
MODELS: tuple[type[ProgramSettings], ...] = (
    *(WatchSettings, FileSettings, DownloadSettings, TransferSettings),
    ProcessorSettings,
)
PLAIN = {"CONFLUENT_BOOTSTRAP_SERVERS": "kafka:9092", "CONFLUENT_USERNAME": "", "CONFLUENT_PASSWORD": ""}
LOGIN = {"CONFLUENT_BOOTSTRAP_SERVERS": "kafka:9092", "CONFLUENT_USERNAME": "key", "CONFLUENT_PASSWORD": "secret!"}


def example_lines() -> dict[str, str]:
    """Every NAME=value of the example, those in comments too."""
    found = re.findall(r"^#?([A-Z][A-Z0-9_]*)=(.*)$", (ROOT / "openmsi.env.example").read_text(), re.MULTILINE)
    assert len(found) == len({name for name, _ in found}), "a name is there twice"
    return dict(found)


def field_of(model: type[ProgramSettings], variable: str) -> str | None:
    name = variable.removeprefix("OPENMSI_").lower()
    field = model.aliases.get(name, name)
    return field if variable.startswith("OPENMSI_") and field in model.model_fields.keys() - NOT_OPTIONS else None


def as_text(value: object) -> str:
    """How a setting is written in an env file."""
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case float():
            return f"{value:g}"
        case tuple():
            return ",".join(value)
        case re.Pattern(pattern=str(pattern)):
            return pattern
        case _:
            return str(value)


def variables_of_other_files() -> set[str]:
    """What the config file, compose and the health check take from the environment."""
    files = [ROOT / "config.config", ROOT / "compose.yaml", *(ROOT / "compose").rglob("*.yaml")]
    found = re.findall(r"\$\{?([A-Z][A-Z0-9_]*)", "".join(file.read_text() for file in files))
    return {*found, "OPENMSI_HEALTH_MAX_PENDING_SECONDS", "COMPOSE_PROFILES"}


def test_every_openmsi_line_is_a_setting_and_shows_its_default() -> None:
    for variable, value in example_lines().items():
        fields = [(model, field) for model in MODELS if (field := field_of(model, variable))]
        assert fields or variable in variables_of_other_files(), f"{variable} is no setting of any program"
        for model, field in fields:
            default = model.model_fields[field]
            if not default.is_required():
                assert value == as_text(default.get_default()), f"{variable} in {model.__name__}"


def test_every_setting_has_a_line() -> None:
    lines = example_lines()
    for model in MODELS:
        options = (model.model_fields.keys() | model.aliases.keys()) - NOT_OPTIONS
        assert {f"OPENMSI_{option.upper()}" for option in options} <= lines.keys()
        assert options <= OPTIONS, "programs.OPTIONS is the list of all"


@pytest.mark.parametrize("model", MODELS)
def test_the_examples_work_as_they_stand(model: type[ProgramSettings], tmp_path: Path) -> None:
    (tmp_path / "config.config").write_bytes((ROOT / "config.config").read_bytes())
    (tmp_path / "openmsi.env").write_bytes((ROOT / "openmsi.env.example").read_bytes())
    settings = load(model, ["data"], {"CONFLUENT_BOOTSTRAP_SERVERS": "kafka:9092"}, tmp_path)
    assert settings.topic_name == "openmsi-data"
    assert settings.broker == {"bootstrap.servers": "kafka:9092"}
    assert settings.remarks() == ()


def test_every_line_may_be_switched_on_and_arrives(tmp_path: Path) -> None:
    (tmp_path / "config.config").write_bytes((ROOT / "config.config").read_bytes())
    given = {
        **{"UPLOAD_DIR": "in", "FILEPATH": "in/file", "OUTPUT_DIR": "out", "STATE_DIR": "state"},
        **{"UPLOAD_REGEX": "a", "DOWNLOAD_REGEX": "b", "INCLUDE": "*.c", "EXCLUDE": "*.d"},
        **{"BANDWIDTH_LIMIT": "08:00,512k Sat-00:00,off", "PRIORITY": "*.csv,small"},
        **{"LOGGER_FILE_PATH": "e.log", "CONSUMER_GROUP_ID": "g", "CONSUMER_TOPIC_NAME": "openmsi-data"},
        **{"NEW_FILES_ONLY": "true", "BUCKET_NAME": "bucket", "ENDPOINT_URL": "https://s3.example.org"},
        **{"SERVER_SIDE_ENCRYPTION": "aws:kms", "TAGS": "a=b,c=d", "MEMORY_LIMIT": "500"},
    }
    whole = {name: value or given.get(name.removeprefix("OPENMSI_"), "5") for name, value in example_lines().items()}
    (tmp_path / "openmsi.env").write_text("".join(f"{name}={value}\n" for name, value in (whole | PLAIN).items()))
    for model in MODELS:
        settings = load(model, [], {}, tmp_path)
        for variable, value in whole.items():
            if field := field_of(model, variable):
                assert as_text(getattr(settings, field)) in (value, str(tmp_path / value)), variable
    assert health_check({}, tmp_path, 0.0) == 1  # it takes OPENMSI_STATE_DIR and the limit from the same file


def test_every_line_of_the_config_file_arrives(tmp_path: Path) -> None:
    path = ROOT / "config.config"
    sections = read_config(path).sections
    programs = {"DataFileUploadDirectory", "DataFileDownloadDirectory", "StreamProcessor"}
    assert sections.keys() == {"broker", "producer", "consumer", *programs}
    argv = ["data", "--topic_name", "T", "--config", str(path)]
    watch, download = load(WatchSettings, argv, LOGIN, tmp_path), load(DownloadSettings, argv, LOGIN, tmp_path)
    for settings in (watch, download, load(ProcessorSettings, argv, LOGIN, tmp_path)):
        assert {settings.broker[key] for key, value in sections["broker"].items()} == set(LOGIN.values())
        for key, value in sections.get(settings.program, {}).items():
            assert as_text(getattr(settings, key)) == value
            assert type(settings).model_fields[key].get_default() == getattr(settings, key), "shows its default"
    assert {key: watch.producer[key] for key in sections["producer"]} == sections["producer"]
    assert {key: download.consumer[key] for key in sections["consumer"]} == sections["consumer"]


LINE = st.text(st.characters(exclude_characters="\0\n\r", codec="utf-8"), min_size=1)


@hypothesis_settings(deadline=None)
@given(value=LINE)
def test_no_way_into_a_program_changes_a_value(value: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    cwd = tmp_path_factory.mktemp("any")
    (cwd / "openmsi.env").write_text(f"OPENMSI_CONSUMER_GROUP_ID={value}\nSECRET={value}\n", encoding="utf-8")
    (cwd / "config.config").write_text("[broker]\nbootstrap.servers = b:1\nclient.id = $SECRET\n")
    argv = ["out", "--topic_name", "T"]
    settings = load(DownloadSettings, argv, {}, cwd)
    assert (settings.consumer_group_id, settings.consumer["client.id"]) == (value, value)
    (cwd / "openmsi.env").unlink()
    settings = load(DownloadSettings, argv, {"OPENMSI_CONSUMER_GROUP_ID": value, "SECRET": value}, cwd)
    assert (settings.consumer_group_id, settings.consumer["client.id"]) == (value, value)
    settings = load(DownloadSettings, [*argv, f"--consumer_group_id={value}"], {"SECRET": ""}, cwd)
    assert settings.consumer_group_id == value


@hypothesis_settings(deadline=None)
@given(value=LINE.map(str.strip).filter(lambda text: text and not text.startswith("$")))
def test_the_config_file_changes_no_value_but_for_spaces_around_it(
    value: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    cwd = tmp_path_factory.mktemp("ini")
    own = f"[DataFileDownloadDirectory]\nconsumer_group_id = {value}\n"
    (cwd / "config.config").write_text(f"[broker]\nbootstrap.servers = b:1\nclient.id={value}\n{own}", encoding="utf-8")
    settings = load(DownloadSettings, ["out", "--topic_name", "T"], {}, cwd)
    assert (settings.consumer_group_id, settings.consumer["client.id"]) == (value, value)


def test_without_an_edit_the_example_names_no_broker_and_no_login() -> None:
    active = parse_env_file((ROOT / "openmsi.env.example").read_text(), "example")
    assert {name: active[name] for name in PLAIN} == dict.fromkeys(PLAIN, "")
