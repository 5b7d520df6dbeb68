"""One settings model, read once at the edge: environment first, then `shotrunner.toml`. Holds no manifest value."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AliasChoices, Field, SecretStr
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from infra.errors import ShotrunnerError
from infra.keys import is_reference
from manifests.diagnostics import suggest
from manifests.schedule import Notify

RunnerName = Literal["local", "dask"]  # where media steps are made
CONFIG_NAME = "shotrunner.toml"
SECRETS = ("runway_key", "elevenlabs_key")  # by field
RUNWAY_URL = "https://api.dev.runwayml.com"  # vendor sheet §1
ELEVENLABS_URL = "https://api.elevenlabs.io"  # audio sheet §1.1


class Settings(BaseSettings):
    """Field names are the keys of `shotrunner.toml`; the environment names are given beside them."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", populate_by_name=True, env_ignore_empty=True)

    store: str = Field(default=".shotrunner/store", validation_alias=AliasChoices("SHOTRUNNER_STORE", "store"))
    # Strangers may read the bucket, and that is meant
    public_store: bool = Field(default=False, validation_alias=AliasChoices("SHOTRUNNER_PUBLIC_STORE", "public_store"))
    # Either key may be a reference to where it is kept (infra.keys); then it may stand in the file, too
    runway_key: SecretStr | None = Field(default=None, validation_alias="RUNWAYML_API_SECRET")
    runway_url: str | None = Field(default=None, validation_alias=AliasChoices("RUNWAYML_BASE_URL", "runway_url"))
    on_behalf_of: str | None = Field(
        default=None, validation_alias=AliasChoices("SHOTRUNNER_ON_BEHALF_OF", "on_behalf_of")
    )
    elevenlabs_key: SecretStr | None = Field(default=None, validation_alias="ELEVENLABS_API_KEY")
    elevenlabs_url: str | None = Field(
        default=None, validation_alias=AliasChoices("ELEVENLABS_BASE_URL", "elevenlabs_url")
    )
    prefect_api_url: str | None = Field(default=None, validation_alias="PREFECT_API_URL")
    # The tier's figure until the account has been asked; 1 is the vendor's tier 1 (vendor sheet §10.1)
    concurrency: Annotated[int, Field(ge=1, le=200)] = Field(
        default=1, validation_alias=AliasChoices("SHOTRUNNER_CONCURRENCY", "concurrency")
    )
    # How long one task may take before the run goes on without it; it stays in flight and is never bought again unasked
    patience_seconds: Annotated[float, Field(gt=0)] = Field(
        default=3600, validation_alias=AliasChoices("SHOTRUNNER_PATIENCE", "patience_seconds")
    )
    # Charges of the vendor that no ledger entry accounts for; above it, no paid run until somebody answers for them
    unexplained_credits: Annotated[int, Field(ge=0)] = Field(
        default=50, validation_alias=AliasChoices("SHOTRUNNER_UNEXPLAINED_CREDITS", "unexplained_credits")
    )
    backlot_latency: Annotated[float, Field(ge=0, le=3600)] = Field(
        default=0.5, validation_alias=AliasChoices("SHOTRUNNER_BACKLOT_LATENCY", "backlot_latency")
    )
    backlot_faults: Path | None = Field(
        default=None, validation_alias=AliasChoices("SHOTRUNNER_BACKLOT_FAULTS", "backlot_faults")
    )
    # `json`: a run's events as lines on standard error too, where a worker's log collector reads them
    log: Literal["", "json"] = Field(default="", validation_alias=AliasChoices("SHOTRUNNER_LOG", "log"))
    # A folder for counters in Prometheus' text format, one file for each campaign
    metrics: Path | None = Field(default=None, validation_alias=AliasChoices("SHOTRUNNER_METRICS", "metrics"))
    # Where people open what lies in the store: `https://…`, to which a key is added. Prefect's pages link there
    links: str | None = Field(default=None, validation_alias=AliasChoices("SHOTRUNNER_LINKS", "links"))
    notify: tuple[Notify, ...] = ()
    media_jobs: int | None = Field(default=None, validation_alias=AliasChoices("SHOTRUNNER_MEDIA_JOBS", "media_jobs"))
    media_runner: RunnerName = Field(
        default="local", validation_alias=AliasChoices("SHOTRUNNER_MEDIA_RUNNER", "media_runner")
    )
    # Of a Dask scheduler; without one, `dask` starts a cluster here for the length of a run
    dask_address: str | None = Field(
        default=None, validation_alias=AliasChoices("SHOTRUNNER_DASK_ADDRESS", "dask_address")
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings, env_settings, TomlConfigSettingsSource(settings_cls))


class SettingsError(ShotrunnerError):
    summary = "unusable settings"
    exit_code = 2


def read_settings(root: Path) -> Settings:
    """Settings for the project at `root`; a missing `shotrunner.toml` is fine. Raises SettingsError for a file that
    cannot be read as it was meant, and pydantic's ValidationError for a value."""
    config = root / CONFIG_NAME
    _check_file(config)

    class _Here(Settings):
        model_config = SettingsConfigDict(toml_file=config)

    return _Here()


def _check_file(config: Path) -> None:
    """A misspelt `store` would be a second store, and everything would be bought again into it."""
    try:
        said = tomllib.loads(config.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:  # not TOML, not UTF-8
        raise SettingsError(f"{config}: {error}", remedy="mend it, or empty it: every setting has a default") from error
    known = {name for name in Settings.model_fields if name not in SECRETS}
    for key, value in said.items():
        if key in SECRETS and is_reference(str(value)):
            continue
        if key in (*SECRETS, "RUNWAYML_API_SECRET", "ELEVENLABS_API_KEY"):
            raise SettingsError(
                f"{config}: {key} is a secret",
                remedy="keys come from the environment, never from this file; where one is kept may stand here: "
                'runway_key = "aws-sm:NAME#KEY", "file:/PATH", "env:NAME" or "prefect-secret:BLOCK"',
            )
        if key not in known:
            raise SettingsError(
                f"{config}: unknown key `{key}`{suggest(key, known)}",
                remedy=f"allowed here: {', '.join(sorted(known))}",
            )
