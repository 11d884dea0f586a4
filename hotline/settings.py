"""The one settings module: every number, address, folder and secret that a process needs.

Read from the environment (prefix HOTLINE_) and from one file, `var/hotline.env`, which set-up writes
with mode 600. Secrets are made at set-up and have no defaults that could be used by mistake.
"""

from __future__ import annotations

import os
from functools import lru_cache
from ipaddress import IPv4Network
from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

REPO = Path(__file__).resolve().parent.parent


class Settings(BaseSettings):
    """All settings of one installation. Every folder is below `var` unless it is set apart."""

    model_config = SettingsConfigDict(env_prefix="HOTLINE_", extra="ignore")

    var: Path = REPO / "var"

    # --- PBX -------------------------------------------------------------------------------------
    pbx_name: str = Field("pbx1", pattern=r"^[a-z0-9_-]{1,16}$")
    asterisk: Path | None = None
    """An installed Asterisk >= 22 to use instead of the tree in `var/pbx-tree`."""
    sip_address: str = "127.0.0.1"
    sip_port: int = 5060
    trunk_match: str = "127.0.0.2"
    """Address of the carrier: calls from it are citizens' calls."""
    sip_allowed: str = "10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,100.64.0.0/10,fc00::/7,127.0.0.0/8"
    """Networks of the seats' telephones: SIP from elsewhere, but for the carrier, is refused unread."""
    guard: bool = True
    """Who guesses SIP passwords or floods the PBX is shut out by the worker (hotline/guard)."""
    guard_never: str = ""
    """Addresses and networks, with commas, that are never shut out: an office behind one address."""
    trunk_register: bool = False
    """For carriers that want a registration; then the three below say where."""
    trunk_server: str = ""
    trunk_user: str = ""
    trunk_password: str = ""
    trunk_port: int = 5070
    """Port at `trunk_match` that outbound calls are sent to."""
    hotline_number: str = "12345"
    duty_number: str = ""
    """Outside number tried when nobody is signed in (night duty); empty: voice message or call-back."""
    rtp_first: int = 10000
    rtp_last: int = 11999
    pbx_http_port: int = 8088
    """Asterisk's HTTP server on loopback: ARI, and SIP over WebSocket for browsers here or a proxy."""
    pbx_https_port: int = 8089
    """Port of Asterisk's own HTTPS server at `sip_address`: it runs only with the two settings below."""
    tls_certificate: Path | None = None
    """PEM file with certificate and chain for SIP over WSS without a reverse proxy."""
    tls_key: Path | None = None
    """PEM file with its private key."""
    sip_ws_url: str = Field("", pattern=r"^(wss?://[^\s;,'\"]+)?$")
    """What browsers connect their telephone to: wss://desk.example.cn/sip; empty: this machine's Asterisk."""
    external_address: str = ""
    """The PBX's address as seen from outside, where it stands behind NAT; empty: it does not."""
    local_nets: str = "10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,127.0.0.0/8"
    """Networks that reach the PBX without NAT; means something only with `external_address`."""
    ice_servers: str = ""
    """STUN and TURN servers for browsers, with commas: stun:stun.example.cn:3478,turn:turn.example.cn:3478"""
    turn_secret: str = ""
    """The TURN server's shared secret (coturn: static-auth-secret); users of it are made for a shift each."""
    seat_silence_seconds: int = Field(10, ge=3, le=60)
    """A browser in a call that sends nothing this long has vanished: the citizen hears so and is given on."""
    ami_port: int = 5038
    seats: int = Field(12, ge=1, le=999)
    """Desk phones 8001, 8002, ...; the browsers' telephones 8001w, ... are made at log-in by the cti."""
    menu: Path | None = None
    """A city's own menu file instead of ivr/menu.yaml."""
    menu_profile: str = Field("", pattern=r"^[a-z0-9_-]{0,32}$")
    """Profile of the menu instead of the one the file names: `zero_menu` is greeting, then a person."""
    queue_wait_seconds: int = 600
    """A citizen who has waited this long is offered a voice message or a call-back."""
    seats_return_seconds: int = Field(30, ge=0, le=300)
    """So long after a start of Asterisk a citizen waits for the telephones of those who are signed in to be
    back, instead of hearing at once that nobody is there."""
    short_abandon_seconds: int = 5
    answer_norm_seconds: int = Field(15, ge=1, le=600)
    """Within this time a person should answer (GB/T 33358-2016: 15 s); queue and ring together."""
    call_back_short_abandons: bool = True
    """Callers who hung up sooner than that are on the list of missed callers too, as the lightest."""
    survey: bool = True
    """After the talk the citizen is asked for a keypress rating."""
    wrapup_seconds: int = 20
    """After-call work: the seat becomes ready again by itself after this time."""

    # --- recording -------------------------------------------------------------------------------
    recorder: Literal["mixmonitor", "capture", "both"] = "capture"
    """Who records: Asterisk itself, or the passive recorder beside it (recordings/capture); both: compare."""
    recorders: int = Field(2, ge=1, le=2)
    """Passive recorders at once: two lose nothing when one of them dies."""
    recorder_interface: str = Field("", pattern=r"^[A-Za-z0-9_.:@-]{0,32}$")
    """Where the trunk's packets pass; empty: the interface that has `sip_address`, else any."""
    trunk_media: str = Field("", pattern=r"^[0-9./, ]*$")
    """Addresses and networks of the carrier's media, with commas; empty: `trunk_match`."""
    ring_megabytes: int = Field(8000, ge=20)
    """Most that the passive recorders may keep before calls are cut; then the oldest goes."""
    ring_free_megabytes: int = Field(1000, ge=0)
    """Room on its disk that the ring leaves to others, the archive above all."""

    # --- web -------------------------------------------------------------------------------------
    web_address: str = "127.0.0.1"
    web_port: int = 8012
    web_threads: int = 256
    """Each open page holds one; threads start only when they are needed."""
    secure_cookies: bool = False
    """Behind HTTPS: the session cookie travels by HTTPS only, and browsers are told to stay there (HSTS)."""
    trusted_proxies: int = Field(0, ge=0, le=3)
    """Reverse proxies in front of the desktop whose X-Forwarded-* headers are believed."""
    citizen_page: bool | None = None
    """The demonstration page /citizen, which calls 12345 without log-in; unset: only with a demo password."""
    desktops: str = ""
    """Addresses of the desktops that the cti serves, with commas; empty: the one on this machine."""
    screen_gone_seconds: float = 30
    """A ready seat whose page has been gone this long becomes not ready, so that no call rings unseen."""
    area_code: str = "0571"
    """The city's own area code: local numbers are completed with it."""
    city: str = "云州市"

    # --- tickets ---------------------------------------------------------------------------------
    same_matter_days: int = Field(30, ge=1, le=366)
    """Tickets of so many days are looked through for the same matter, nearby and before saving."""
    attachment_megabytes: int = Field(20, ge=1, le=500)
    """Largest single attachment."""
    attachments_per_form: int = Field(9, ge=1, le=100)

    # --- alarms ----------------------------------------------------------------------------------
    alarm_webhook_url: str = Field("", pattern=r"^(https?://[^\s]+)?$")
    """Where alarms are told by POST, for rules that say so; empty: nowhere."""

    # --- database --------------------------------------------------------------------------------
    database_url: str = ""
    """Empty: SQLite in `var/hotline.db`; a city sets postgresql+psycopg://..."""

    # --- secrets, made by set-up -----------------------------------------------------------------
    ami_password: str = ""
    ari_password: str = ""
    link_token: str = ""
    session_key: str = ""
    seat_key: str = ""
    """Key from which each seat's SIP password is derived."""
    alarm_webhook_secret: str = ""
    """Key of the signature by which the receiver of alarms knows them to be ours."""
    demo_password: str = ""
    """Password of the demo accounts; only a demo city has one."""

    @property
    def sip_ws(self) -> str:
        """Where browsers reach SIP over WebSocket."""
        return self.sip_ws_url or f"ws://127.0.0.1:{self.pbx_http_port}/ws"

    @property
    def media_address(self) -> str:
        """The loopback address that all audio is bound to on a machine that is alone; '' elsewhere."""
        return self.sip_address if self.sip_address.startswith("127.") else ""

    @property
    def has_citizen_page(self) -> bool:
        """Is the demonstration page served?"""
        return bool(self.demo_password) if self.citizen_page is None else self.citizen_page

    @property
    def pbx_tree(self) -> Path:
        return self.var / "pbx-tree"

    @property
    def pbx(self) -> Path:
        """Everything Asterisk writes: etc, log, spool, run, db, data."""
        return self.var / "pbx"

    @property
    def journal(self) -> Path:
        return self.pbx / "log" / "queue_log"

    @property
    def monitor(self) -> Path:
        """Where the dialplan's MixMonitor writes: `<call uid>.raw`, two-channel signed 16 bit at 8 kHz."""
        return self.pbx / "spool" / "monitor"

    @property
    def voicemail(self) -> Path:
        """Where the dialplan's Record writes voice messages: `<call uid>.wav`."""
        return self.pbx / "spool" / "messages"

    @property
    def ring(self) -> Path:
        """What the passive recorders have captured and nobody has cut yet."""
        return self.var / "ring"

    @property
    def recorder_alive(self) -> Path:
        """A file for each passive recorder, touched while it captures: the dialplan looks at them."""
        return self.pbx / "spool" / "recorder"

    @property
    def captured(self) -> Path:
        """What is known of each call cut from the capture, for some days: `<call uid>.json`."""
        return self.pbx / "spool" / "captured"

    @property
    def recorder_names(self) -> list[str]:
        """The passive recorders; none where Asterisk records alone."""
        return [] if self.recorder == "mixmonitor" else ["a", "b"][: self.recorders]

    @property
    def trunk_media_nets(self) -> list[IPv4Network]:
        """Where the carrier's media come from. Raises ValueError for what is no IPv4 address or network."""
        return [
            IPv4Network(one.strip(), strict=False)
            for one in (self.trunk_media or self.trunk_match).split(",")
        ]

    @property
    def recordings(self) -> Path:
        """Checked recordings as kept: `YYYY/MM/DD/<call uid>.flac`."""
        return self.var / "recordings"

    @property
    def attachments(self) -> Path:
        """Files given with tickets: `aa/<sha256>`, by the hash of their content."""
        return self.var / "attachments"

    @property
    def announcements(self) -> Path:
        """Sounds of announcements by the hash of their content: `<sha256>.wav`."""
        return self.var / "announcements"

    @property
    def desktop_urls(self) -> list[str]:
        """The desktops that the cti links to."""
        return self.desktops.split(",") if self.desktops else [f"http://127.0.0.1:{self.web_port}"]

    @property
    def seat_numbers(self) -> list[str]:
        """The seats: 8001, 8002, ..."""
        return [str(8001 + n) for n in range(self.seats)]

    @property
    def jobs(self) -> Path:
        return self.var / "jobs.db"

    @property
    def database(self) -> str:
        return self.database_url or f"sqlite:///{self.var / 'hotline.db'}"


@lru_cache
def load() -> Settings:
    """Settings from the environment and from the one file.

    The file is `$HOTLINE_VAR/hotline.env` (default: `var/hotline.env` beside the source). Values in the
    environment win over the file.

    Raises pydantic.ValidationError with the name of the setting that is wrong.
    """
    var = Path(os.environ.get("HOTLINE_VAR", REPO / "var"))
    return Settings(_env_file=var / "hotline.env", var=var)  # type: ignore[call-arg]
