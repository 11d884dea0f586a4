"""What set-up writes for Asterisk beside the shipped files: addresses for browsers, HTTPS, NAT."""

from __future__ import annotations

from pathlib import Path

import pytest

from hotline import pbx
from hotline.doctor import browser_audio
from hotline.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(var=tmp_path, seat_key="k", ami_password="a", ari_password="b")


@pytest.fixture(autouse=True)
def _two_interfaces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pbx, "interface_addresses", lambda: ["10.77.0.1", "192.0.2.2"])


def test_no_browser_has_a_standing_telephone(settings: Settings) -> None:
    files = pbx.site_files(settings)
    assert "[8001](seat)" in files["pjsip-seats.conf"]
    assert "8001w" not in "".join(files.values())


def test_on_a_machine_that_is_alone_browsers_are_offered_loopback_and_nothing_else(
    settings: Settings,
) -> None:
    rtp = pbx.site_files(settings)["rtp.conf"]
    assert "ice_deny = 0.0.0.0/0\nice_deny = ::/0\nice_permit = 127.0.0.1/32\n" in rtp
    assert rtp.endswith("[ice_host_candidates]\n10.77.0.1 => 127.0.0.1\n192.0.2.2 => 127.0.0.1\n")


def test_in_a_network_the_own_addresses_are_offered_as_they_are(settings: Settings) -> None:
    rtp = pbx.site_files(settings.model_copy(update={"sip_address": "0.0.0.0"}))["rtp.conf"]
    assert "ice_" not in rtp


def test_behind_nat_the_outside_address_is_offered_beside_the_own(settings: Settings) -> None:
    outside = settings.model_copy(update={"sip_address": "10.77.0.1", "external_address": "198.51.100.9"})
    files = pbx.site_files(outside)
    assert "10.77.0.1 => 198.51.100.9,include_local_address" in files["rtp.conf"]
    transports = files["pjsip-transport.conf"].split("\n\n")
    assert len(transports) == 3
    for transport in transports:
        assert "external_media_address = 198.51.100.9\n" in transport
        assert "local_net = 10.0.0.0/8\n" in transport


def test_https_only_with_certificate_and_key(settings: Settings, tmp_path: Path) -> None:
    plain = pbx.site_files(settings)
    assert "tls" not in plain["http.conf"]
    assert "wss" not in plain["pjsip-transport.conf"]
    pair = {"tls_certificate": tmp_path / "c.pem", "tls_key": tmp_path / "k.pem", "sip_address": "192.0.2.2"}
    files = pbx.site_files(settings.model_copy(update=pair))
    assert "tlsbindaddr = 192.0.2.2:8089\n" in files["http.conf"]
    assert "bindaddr = 127.0.0.1\n" in files["http.conf"], "the plain one stays on loopback"
    assert "[wss]\ntype = transport\nprotocol = wss\n" in files["pjsip-transport.conf"]
    with pytest.raises(ValueError, match="go together"):
        pbx.site_files(settings.model_copy(update={**pair, "tls_key": None}))


def test_certificate_and_key_are_copied_for_asterisk_alone(settings: Settings, tmp_path: Path) -> None:
    for name in ("c.pem", "k.pem"):
        (tmp_path / name).write_text(name)
    pbx.render(
        settings.model_copy(update={"tls_certificate": tmp_path / "c.pem", "tls_key": tmp_path / "k.pem"})
    )
    key = settings.pbx / "etc/site/https.key"
    assert (key.read_text(), key.stat().st_mode & 0o777) == ("k.pem", 0o600)


@pytest.mark.parametrize("name", ["external_address", "local_nets"])
def test_a_setting_cannot_break_out_of_its_line(settings: Settings, name: str) -> None:
    values = {"external_address": "198.51.100.9", name: "1.2.3.4\n[evil]"}
    with pytest.raises(ValueError, match=name):
        pbx.site_files(settings.model_copy(update=values))


def test_where_browsers_connect_can_be_said_but_not_misused() -> None:
    assert Settings(pbx_http_port=9000).sip_ws == "ws://127.0.0.1:9000/ws"
    assert Settings(sip_ws_url="wss://desk.example.cn/sip").sip_ws == "wss://desk.example.cn/sip"
    for wrong in ("https://desk.example.cn", "wss://a; script-src *", "wss://a 'unsafe-inline'"):
        with pytest.raises(ValueError, match="sip_ws_url"):
            Settings(sip_ws_url=wrong)


def test_the_doctor_says_why_browsers_have_no_audio() -> None:
    assert not list(browser_audio("127.0.0.1", ["192.0.2.2"]))
    assert not list(browser_audio("", []))
    [finding] = browser_audio("127.0.0.1", [])
    assert (finding.grade, "ip addr add" in finding.remedy) == ("note", True)
