"""What an administrator may set, all by environment variables that begin with ``BARO_``.

`docs/reference/settings.md` lists every field of `Config`; a test holds it to that.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Config(BaseSettings):
    """The settings of one Baro installation."""

    model_config = SettingsConfigDict(env_prefix="BARO_", env_file=None, extra="ignore")

    home: Path = Field(
        default_factory=lambda: Path.home() / ".local" / "share" / "baro",
        description="Folder of everything Baro keeps outside the database: sealed files, spools, embedded PostgreSQL.",
    )
    database_url: str = Field(
        default="",
        description="PostgreSQL of the plant. Empty: the embedded server under BARO_HOME, for demo and development.",
    )
    owner_url: str = Field(
        default="",
        description="Login that owns the tables, used by migrations and for BARO_HOT_DAYS. Empty: BARO_DATABASE_URL.",
    )
    reader_url: str = Field(
        default="",
        description="Login that may only read, used by reports and analysts. Empty: BARO_DATABASE_URL.",
    )
    secret_key: str = Field(
        default="",
        description="Key of sessions and forms. Empty: made once and kept under BARO_HOME with mode 0600.",
    )
    gxp: bool = Field(
        default=False,
        description="The installation serves a plant: its programs start only when `baro check` finds nothing missing.",
    )
    debug: bool = Field(default=False, description="Detailed error pages. Never in a plant.")
    host: str = Field(default="127.0.0.1", description="Address the web server listens on.")
    port: int = Field(default=8600, description="Port the web server listens on.")
    allowed_hosts: str = Field(
        default="127.0.0.1,localhost", description="Host names the web server answers to, comma-separated."
    )
    https: bool = Field(
        default=False,
        description="People reach the web server by HTTPS only, through a proxy that sets X-Forwarded-Proto.",
    )
    opcua_url: str = Field(
        default="opc.tcp://127.0.0.1:48600/baro/",
        description="Where the simulated plant serves OPC UA; the demo's connection leads there.",
    )
    company: str = Field(default="baro-demo", description="Code of the company whose plant the gateway serves.")
    flush_ms: int = Field(
        default=40,
        ge=1,
        le=5000,
        description="Longest time an observation waits in the gateway for its block, ms.",
    )
    block_rows: int = Field(default=500, ge=1, description="Most observations in one block.")
    spool_limit_mb: int = Field(
        default=2048,
        ge=1,
        description="Most that the spool may keep on disk; beyond it the gateway records a gap.",
    )
    spool_free_mb: int = Field(
        default=256,
        ge=0,
        description="So much of the disk stays free of observations; the gateway records a gap instead.",
    )
    spool_full: Literal["refuse", "drop"] = Field(
        default="refuse",
        description="A full spool refuses new observations, or drops its oldest ones. Either way a gap is recorded.",
    )
    replay_mb_s: int = Field(
        default=8,
        ge=0,
        description="Most that is replayed after a cut, MB a second; 0: as fast as the database takes it.",
    )
    seal_minutes: int = Field(
        default=5,
        ge=0,
        le=60,
        description="Observations of no lot are sealed after so many minutes, and the days that are over put together;"
        " 0: never.",
    )
    replaced_days: int = Field(
        default=7, ge=0, description="Days that a sealed file stays in the lake after a later version replaced it."
    )
    hot_days: int = Field(
        default=0,
        ge=0,
        description="Days after which the database gives up its copy of a sealed block, as owner. 0: never.",
    )
    file_stores: dict[str, Path] = Field(
        default_factory=dict,
        description="Storages of agents as this server reads them, JSON: COMPANY/AGENT to folder.",
    )
    ntp_server: str = Field(
        default="",
        description="Time server the clock is compared with, host or host:port. Empty: steps are watched only.",
    )
    clock_limit_s: float = Field(
        default=2.0, gt=0, description="Most that the clock may differ from another before it is told as drift, s."
    )
    access_review_months: int = Field(
        default=6, ge=1, le=60, description="Months from one review of who has access to the next."
    )
    account_unused_days: int = Field(
        default=90, ge=1, description="Days without a sign-in after which an access review calls an account unused."
    )
    language: str = Field(default="ko", description="Language of pages before a person chooses: ko or en.")
    time_zone: str = Field(default="Asia/Seoul", description="Zone in which times are shown. Stored times are UTC.")

    signing_break_min: int = Field(
        default=10,
        ge=1,
        description="Minutes without a signature after which the next one asks for name and password again.",
    )
    log_origin: str = Field(
        default="",
        description="Name of the Merkle log, read when its key is made. Empty: baro/ and a random number.",
    )
    checkpoint_dir: str = Field(
        default="",
        description="Folder off this server into which the log's checkpoints are written. Empty: none.",
    )
    witnesses: dict[str, str] = Field(
        default_factory=dict,
        description="Witnesses that cosign the log's checkpoints, JSON: address to public key (vkey).",
    )
    witness_logs: dict[str, str] = Field(
        default_factory=dict,
        description="Logs that this installation is a witness of, JSON: origin to public key (vkey).",
    )
    witness_name: str = Field(
        default="", description="Name of this witness, read when its key is made. Empty: baro-witness/ and a number."
    )

    working_hours: str = Field(
        default="7-19",
        pattern=r"^([01]?\d|2[0-4])-([01]?\d|2[0-4])$",
        description="Hours of work, from-to, Monday to Friday; the trail shows what people did outside of them.",
    )
    mfa_required: str = Field(
        default="",
        description="Roles that need a second factor to sign in, by their codes, comma-separated; all: everybody.",
    )
    password_length: int = Field(default=12, ge=8, le=64, description="Fewest characters of a password.")
    password_history: int = Field(
        default=5, ge=0, le=24, description="So many of a person's last passwords are not accepted again."
    )
    password_days: int = Field(
        default=180, ge=0, description="A password has to be changed after so many days; 0: it lasts."
    )
    temporary_hours: int = Field(
        default=72, ge=1, description="A password that an administrator gave lasts so long, hours."
    )
    address_attempts: int = Field(
        default=50,
        ge=5,
        description="So many failed attempts from one address within 15 minutes close the sign-in to it.",
    )
    sessions: int = Field(
        default=3, ge=1, description="Sessions of one person at a time; one more ends the one that was idle longest."
    )
    idle_minutes: int = Field(
        default=30, ge=1, le=720, description="A session without activity ends after so many minutes."
    )

    seal_p12: str = Field(
        default="",
        description="PKCS#12 file with a document seal of the plant's own. Empty: made once under BARO_HOME.",
    )
    seal_p12_password: str = Field(default="", description="Password of that file.")
    timestamp_url: str = Field(
        default="", description="RFC 3161 time-stamp service for sealed documents. Empty: no time stamp."
    )

    @property
    def data_dir(self) -> Path:
        """Sealed files live here."""
        return self.home / "lake"


@cache
def config() -> Config:
    """The settings of this process, read once."""
    return Config()
