"""The PBX process: lays out an installation's folder from `asterisk_conf/` and starts Asterisk on it.

`asterisk_conf/*.conf` is copied as it stands; what differs from machine to machine (addresses, ports,
secrets, seats) goes into `site/*.conf` beside it. Asterisk runs in bubblewrap on the PBX tree, or as
installed (setting `asterisk`); either way it sees the same absolute paths, so recordings and journal have
one name.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import psutil

from hotline.secrets import seat_password
from hotline.settings import REPO, Settings, load
from ivr import announce_files, prompts

CONF = REPO / "asterisk_conf"
SYSTEM_DATA = (Path("/usr/share/asterisk"), Path("/var/lib/asterisk"), Path("/usr/local/share/asterisk"))
"""Where an Asterisk keeps its documentation: the tree's (first), or one built from source."""


class ConsoleFailed(Exception):
    """The running Asterisk could not be told something; the text says why."""


def render(settings: Settings) -> Path:
    """Lay out `settings.pbx` for a start of Asterisk and return its `etc` folder.

    Everything in `etc` and the prompts is written anew at each start; journal, recordings and Asterisk's own
    database are left alone. Raises ValueError for a value that could break out of a configuration line.
    """
    pbx = settings.pbx
    for name in ("etc/site", "etc/generated", "log", "run", "db", "cache", "spool/monitor", "spool/messages",
                 "spool/recording", "spool/recorder", "data/keys"):  # fmt: skip
        (pbx / name).mkdir(parents=True, exist_ok=True)
    # The passive recorder, a user of the same group, touches its heartbeat here.
    (pbx / "spool" / "recorder").chmod(0o770)
    etc = pbx / "etc"
    for source in CONF.glob("*.conf"):
        shutil.copyfile(source, etc / source.name)
    (etc / "generated" / "menu.conf").write_text(menu_dialplan(settings), "utf-8")
    shipped = (
        (CONF / "asterisk.conf").read_text().replace("systemname =", f"systemname = {settings.pbx_name}")
    )
    (etc / "asterisk.conf").write_text(_directories(settings) + shipped)
    for name, text in site_files(settings).items():
        _write_closed(etc / "site" / name, text)
    for name, pem in (("https.crt", settings.tls_certificate), ("https.key", settings.tls_key)):
        if pem:
            _write_closed(etc / "site" / name, pem.read_text())
    _lay_out_data(settings)
    return etc


def _write_closed(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text)


def menu_dialplan(settings: Settings) -> str:
    """The dialplan of the menu: the shipped one as compiled, or the city's own menu file and profile.

    Raises ValueError with file, line and remedy for each thing that is wrong with the city's menu.
    """
    if not settings.menu and not settings.menu_profile:
        return (CONF / "generated" / "menu.conf").read_text("utf-8")
    from ivr import check, compile, menu

    path = settings.menu or check.MENU
    problems = [str(problem) for problem in check.check_files(path)]
    chosen, _ = menu.load(path)
    if settings.menu_profile and chosen.profile:
        if settings.menu_profile not in chosen.profiles:
            problems.append(f"setting menu_profile: {path.name} has no profile {settings.menu_profile!r}")
        chosen = replace(chosen, profile=replace(chosen.profile, name=settings.menu_profile))
    if problems:
        raise ValueError("the voice menu cannot be used:\n" + "\n".join(problems))
    return compile.compile_menu(chosen)


def console(settings: Settings, words: str) -> str:
    """What the running Asterisk prints for a console command (`core show channels`, `logger rotate`...).

    Raises ConsoleFailed when it does not run or does not answer within 10 s.
    """
    line = command(settings)
    line[line.index("-f") :] = ["-C", str(settings.pbx / "etc" / "asterisk.conf"), "-rx", words]
    try:
        done = subprocess.run(line, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ConsoleFailed(f"Asterisk's console does not answer: {error}") from None
    if done.returncode:
        raise ConsoleFailed((done.stdout + done.stderr).strip() or "Asterisk is not running")
    return done.stdout


def rotate_journal(settings: Settings) -> None:
    """Have Asterisk begin a new journal and log; the old ones are renamed. Raises ConsoleFailed."""
    console(settings, "logger rotate")


def reload_menu(settings: Settings) -> None:
    """Hand a changed menu to the running Asterisk; calls under way finish as they began.

    Raises ValueError for a menu that is wrong, ConsoleFailed when Asterisk does not run.
    """
    (settings.pbx / "etc" / "generated" / "menu.conf").write_text(menu_dialplan(settings), "utf-8")
    console(settings, "dialplan reload")


def _directories(settings: Settings) -> str:
    pbx = settings.pbx
    folders = {
        "astetcdir": pbx / "etc",
        "astvarlibdir": pbx / "data",
        "astdbdir": pbx / "db",
        "astkeydir": pbx / "data",
        "astdatadir": pbx / "data",
        "astspooldir": pbx / "spool",
        "astrundir": pbx / "run",
        "astlogdir": pbx / "log",
        "astcachedir": pbx / "cache",
    }
    return "[directories]\n" + "".join(f"{name} => {path}\n" for name, path in folders.items()) + "\n"


def _lay_out_data(settings: Settings) -> None:
    """Sounds and music as Asterisk wants them; its XML documentation, which modules need, is the tree's."""
    data = settings.pbx / "data"
    prompts.install(data / "sounds" / "zh", settings.var / "prompts")
    announce_files.lay_out(settings.announcements, data / "sounds" / "zh")
    moh = data / "moh"
    moh.mkdir(exist_ok=True)
    for music in (REPO / "ivr" / "prompts" / "moh").glob("*.wav"):
        shutil.copyfile(music, moh / music.name)
    for name in ("documentation", "rest-api"):
        link = data / name
        there = [path / name for path in SYSTEM_DATA if settings.asterisk and (path / name).exists()]
        link.unlink(missing_ok=True)
        link.symlink_to(there[0] if there else SYSTEM_DATA[0] / name)


def _plain(value: str | int, what: str) -> str:
    """`value` if it fits on one configuration line without starting a comment or a section."""
    text = str(value)
    if any(c in text for c in "\r\n;[]\0") or text != text.strip():
        raise ValueError(f"setting {what} may not hold line breaks, ';' or brackets: {text!r}")
    return text


def site_files(settings: Settings) -> dict[str, str]:
    """The site's configuration files by name: what differs between two installations."""
    s = settings
    address = _plain(s.sip_address, "sip_address")
    files = {
        "globals.conf": f"HOTLINE_NUMBER={_plain(s.hotline_number, 'hotline_number')}\n"
        f"DUTY_NUMBER={_plain(s.duty_number, 'duty_number')}\n"
        f"MONITOR={s.monitor}\nMESSAGES={s.voicemail}\n"
        f"RECORDER={s.recorder}\nRECORDER_ALIVE={s.recorder_alive}\n"
        f"HL_QUEUE_WAIT={s.queue_wait_seconds}\n"
        f"STARTED={s.pbx / 'run' / 'asterisk.pid'}\nHL_SEATS_RETURN={s.seats_return_seconds}\n"
        f"HL_SURVEY={'yes' if s.survey else 'no'}\n",
        "http.conf": _http(s),
        "manager-port.conf": f"bindaddr = 127.0.0.1\nport = {s.ami_port}\n",
        "manager-users.conf": f"[cti](filtered)\nsecret = {_plain(s.ami_password, 'ami_password')}\n",
        "ari-users.conf": "[cti]\ntype = user\nread_only = no\npassword_format = plain\n"
        f"password = {_plain(s.ari_password, 'ari_password')}\n",
        "rtp.conf": _rtp(s, interface_addresses()),
        "pjsip-acl.conf": _allowed(s),
        "shut-out.conf": "",
        "pjsip-transport.conf": _transports(s, address),
        "pjsip-trunk.conf": _trunk(s),
        "pjsip-seats.conf": "\n".join(_seat(s, number) for number in s.seat_numbers),
    }
    return files


def _allowed(s: Settings) -> str:
    """Whom SIP is answered at all: the carrier, and the networks of the seats. Raises ValueError."""
    nets = [net for words in (s.trunk_match, s.sip_allowed) for net in words.split(",") if net.strip()]
    permitted = "".join(f"permit = {_plain(net.strip(), 'sip_allowed')}\n" for net in nets)
    return f"[allowed]\ntype = acl\ndeny = 0.0.0.0/0\ndeny = ::/0\n{permitted}"


def _http(s: Settings) -> str:
    """Loopback always; with a certificate also HTTPS for browsers. Raises ValueError for half a pair."""
    text = f"bindaddr = 127.0.0.1\nbindport = {s.pbx_http_port}\n"
    if bool(s.tls_certificate) != bool(s.tls_key):
        raise ValueError("settings tls_certificate and tls_key go together: one of them is missing")
    if not s.tls_certificate:
        return text
    site = s.pbx / "etc" / "site"
    return (
        f"{text}tlsenable = yes\ntlsbindaddr = {_plain(s.sip_address, 'sip_address')}:{s.pbx_https_port}\n"
        f"tlscertfile = {site / 'https.crt'}\ntlsprivatekey = {site / 'https.key'}\n"
        "tlsdisablev1 = yes\ntlsdisablev11 = yes\n"
    )


def _transports(s: Settings, address: str) -> str:
    """SIP by UDP and TCP for carrier and desk phones, by WebSocket for browsers; all know of the NAT."""
    outside = ""
    if s.external_address:
        external = _plain(s.external_address, "external_address")
        outside = f"external_media_address = {external}\nexternal_signaling_address = {external}\n" + "".join(
            f"local_net = {net.strip()}\n" for net in _plain(s.local_nets, "local_nets").split(",")
        )
    return "\n".join(
        f"[{name}]\ntype = transport\nprotocol = {name}\nbind = {bind}\n{outside}"
        for name, bind in (
            ("udp", f"{address}:{s.sip_port}"),
            ("tcp", f"{address}:{s.sip_port}"),
            ("ws", "127.0.0.1"),
            *([("wss", address)] if s.tls_certificate else []),
        )
    )


def _rtp(s: Settings, addresses: list[str]) -> str:
    """Ports, and the addresses that browsers are offered (ICE).

    Asterisk never offers loopback by itself. A machine that is alone, where all audio stays on loopback,
    needs it: the addresses that Asterisk finds are offered as the loopback one, and nothing else is.
    """
    text = f"rtpstart = {s.rtp_first}\nrtpend = {s.rtp_last}\nstrictrtp = yes\nicesupport = yes\n"
    if s.media_address:
        text += f"ice_deny = 0.0.0.0/0\nice_deny = ::/0\nice_permit = {s.media_address}/32\n"
        offered = {address: s.media_address for address in addresses}
    elif s.external_address:
        offered = {
            address: f"{_plain(s.external_address, 'external_address')},include_local_address"
            for address in addresses
        }
    else:
        return text
    lines = "".join(f"{address} => {instead}\n" for address, instead in offered.items())
    return f"{text}\n[ice_host_candidates]\n{lines}"


def interface_addresses() -> list[str]:
    """IPv4 addresses of this machine's interfaces that are up, without 127/8: what Asterisk's ICE finds."""
    up = {name for name, state in psutil.net_if_stats().items() if state.isup}
    found = {
        one.address
        for name, addresses in psutil.net_if_addrs().items()
        for one in addresses
        if name in up and one.family == socket.AF_INET and not one.address.startswith("127.")
    }
    return sorted(found)


def _media(settings: Settings) -> str:
    if not settings.media_address:
        return ""
    return f"media_address = {settings.media_address}\nbind_rtp_to_media_address = yes\n"


def _trunk(s: Settings) -> str:
    match = _plain(s.trunk_match, "trunk_match")
    text = f"[trunk](trunk)\naors = trunk\n{_media(s)}"
    if s.trunk_register:
        server, user = _plain(s.trunk_server, "trunk_server"), _plain(s.trunk_user, "trunk_user")
        return (
            text + f"outbound_auth = trunk\nfrom_user = {user}\n\n"
            f"[trunk]\ntype = aor\ncontact = sip:{server}\nqualify_frequency = 30\n\n"
            f"[trunk]\ntype = auth\nauth_type = userpass\nusername = {user}\n"
            f"password = {_plain(s.trunk_password, 'trunk_password')}\n\n"
            f"[trunk]\ntype = identify\nendpoint = trunk\nmatch = {match}\n\n"
            f"[trunk-registration]\ntype = registration\nserver_uri = sip:{server}\n"
            f"client_uri = sip:{user}@{server}\ncontact_user = {_plain(s.hotline_number, 'hotline_number')}\n"
            "outbound_auth = trunk\nexpiration = 300\nretry_interval = 10\nforbidden_retry_interval = 60\n"
            "max_retries = 4294967295\nline = yes\nendpoint = trunk\n"
        )
    return (
        text + f"\n[trunk]\ntype = aor\ncontact = sip:{match}:{s.trunk_port}\n\n"
        f"[trunk]\ntype = identify\nendpoint = trunk\nmatch = {match}\n"
    )


def _seat(s: Settings, number: str) -> str:
    return (
        f"[{number}](seat)\nauth = {number}\naors = {number}\n"
        f"callerid = {number} <{number}>\n{_media(s)}\n"
        f"[{number}](seat-auth)\nusername = {number}\npassword = {seat_password(s.seat_key, number)}\n\n"
        f"[{number}](seat-aor)\n"
    )


def command(settings: Settings) -> list[str]:
    """The command line that runs Asterisk in the foreground on the laid-out folder.

    Inside bubblewrap the root is empty except for the tree's /usr and /etc and our own folder; name look-ups
    are local files only, because a DNS time-out would hold up every call.
    """
    etc = settings.pbx / "etc"
    run = ["-f", "-C", str(etc / "asterisk.conf")]
    if settings.asterisk:
        return [str(settings.asterisk), *run]
    tree, var = settings.pbx_tree.resolve(), settings.pbx
    nsswitch, hosts = etc / "site" / "nsswitch", etc / "site" / "hosts"
    nsswitch.write_text("passwd: files\ngroup: files\nhosts: files\n")
    hosts.write_text("127.0.0.1 localhost\n")
    return [
        "bwrap",
        *("--ro-bind", str(tree / "usr"), "/usr"),
        *("--symlink", "usr/lib", "/lib"),
        *("--symlink", "usr/lib64", "/lib64"),
        *("--symlink", "usr/bin", "/bin"),
        *("--symlink", "usr/sbin", "/sbin"),
        *(
            word
            for name in (
                "passwd",
                "group",
                "ssl",
                "ld.so.cache",
                "ld.so.conf",
                "ld.so.conf.d",
                "alternatives",
            )
            if (tree / "etc" / name).exists()
            for word in ("--ro-bind", str(tree / "etc" / name), f"/etc/{name}")
        ),
        *("--ro-bind-try", "/usr/share/zoneinfo/Asia/Shanghai", "/etc/localtime"),
        *("--ro-bind", str(nsswitch), "/etc/nsswitch.conf"),
        *("--ro-bind", str(hosts), "/etc/hosts"),
        *("--dev", "/dev"),
        *("--proc", "/proc"),
        *("--tmpfs", "/tmp"),
        *("--tmpfs", "/run"),
        *("--bind", str(var), str(var)),
        "--die-with-parent",
        "/usr/sbin/asterisk",
        *run,
    ]


def main() -> None:
    """Become Asterisk: render the configuration, then replace this process."""
    settings = load()
    try:
        render(settings)
    except (OSError, ValueError) as error:
        sys.exit(f"the PBX configuration cannot be written: {error}")
    line = command(settings)
    os.environ["TZ"] = "Asia/Shanghai"
    os.execvp(line[0], line)


if __name__ == "__main__":
    main()
