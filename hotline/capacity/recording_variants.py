"""Everything that was tried to make a recorded call cheaper: what it changes, loses, whether it is kept.

A *live* variant is switched on in mid-call, on the calls that the shipped form is measured with; a *start*
variant needs an Asterisk of its own. `kept` is a judgement after measuring; its reason stands beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from hotline.capacity.talking import Edit

SHIPPED = "MixMonitor bD, citizen's leg"
NONE = "no recording"
ARMED = r"MixMonitor\(\$\{MONITOR\}/\$\{HL_CALL\}\.raw,bD\)"
"""What in the shipped dialplan arms the recording."""
NOISE = "within the noise"


@dataclass(frozen=True)
class Variant:
    """One thing tried: what it `loses`, whether it is `kept` and `why`."""

    name: str
    loses: str
    why: str = NOISE
    kept: bool = False


@dataclass(frozen=True)
class Recorder(Variant):
    """Another way of recording, on calls that are up.

    `file` and `options` of MixMonitor, {n} for the call and {dir} for the folder; or `other`, no MixMonitor.
    """

    leg: Literal["citizen", "agent", "both"] = "citizen"
    file: str = ""
    options: str = ""
    other: Literal["", "capture", "snoop"] = ""


@dataclass(frozen=True)
class Scheduling(Variant):
    """Another scheduling of Asterisk's threads while they run; `policy` as in scheduling.apply."""

    policy: str = ""


@dataclass(frozen=True)
class Start(Variant):
    """An Asterisk started otherwise; compared with `beside`, or else with the shipped form."""

    edits: tuple[Edit, ...] = ()
    options: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    folder: str | None = None
    echo: bool = False
    beside: str = ""


def _conf(name: str, loses: str, file: str, pattern: str, text: str, why: str = NOISE) -> Start:
    """One line of one configuration file."""
    return Start(name, loses, why, edits=(Edit(file, text, pattern),))


RECORDERS = (
    Recorder(
        SHIPPED,
        "nothing: two channels, from the answer on",
        "the recorder where capture cannot be (SRTP trunk, citizens in browsers)",
        True,
        file="{n}.raw",
        options="bD",
    ),
    Recorder("without b", "records the wait and its music too", file="{n}.raw", options="D"),
    Recorder(
        "mixed wav",
        "the two speakers cannot be told apart",
        "what is written is not what costs",
        file="{n}.wav",
        options="b",
    ),
    Recorder(
        "two A-law files, r()t()",
        "two files a call to be joined",
        "what is written is not what costs",
        options="r({dir}/{n}-r.alaw)t({dir}/{n}-t.alaw)",
    ),
    Recorder(
        "two slin files, r()t()",
        "two files a call to be joined",
        "what is written is not what costs",
        options="r({dir}/{n}-r.sln)t({dir}/{n}-t.sln)",
    ),
    Recorder(
        "r()t() with n: no silence put in",
        "the two files lose step with each other",
        options="nr({dir}/{n}-r.sln)t({dir}/{n}-t.sln)",
    ),
    Recorder(
        "one direction only, r()",
        "the other speaker",
        "the hook sees both directions anyway",
        options="r({dir}/{n}-r.alaw)",
    ),
    Recorder(
        "on the agent's leg", "a transfer ends the recording", leg="agent", file="{n}.raw", options="bD"
    ),
    Recorder(
        "on both legs, a file each",
        "nothing",
        "shows what each further hook costs",
        leg="both",
        file="{n}.raw",
        options="bD",
    ),
    Recorder(
        "ARI snoop + record",
        "the two speakers are mixed; needs Python for every call: one made while it is away has no recording",
        "a tenth: woken by a timer 50 times a second, not by packets 100 times; not worth what it loses",
        other="snoop",
    ),
    Recorder(
        "passive capture on the trunk leg",
        "SRTP trunks, citizens in browsers; needs CAP_NET_RAW; calls are cut afterwards",
        "the bridge stays native: the only way found that halves it (recordings/capture)",
        True,
        other="capture",
    ),
)
SCHEDULERS = (
    Scheduling("SCHED_BATCH", "wake-ups wait for a running thread", policy="batch"),
    Scheduling("time slice of 20 ms", "needs sched_setattr on each thread, Linux 6.12", policy="slice"),
    Scheduling(
        "SCHED_BATCH, slice of 20 ms", "audio waits up to a slice when the core is full", policy="batch slice"
    ),
    Scheduling(
        "all threads on one core",
        "the second core: it caps what the machine carries",
        "saves wake-ups between cores, but 150 seats need more than a core can give safely",
        policy="pin",
    ),
    Scheduling(
        "real time, SCHED_RR 10 (asterisk -p)",
        "Asterisk may starve whatever watches it",
        "dearer: every packet interrupts whoever runs",
        policy="rr",
    ),
    Scheduling("nice -10", "the others wait longer", "dearer: every packet interrupts", policy="nice"),
    Scheduling(
        "timer slack of 5 ms",
        "timeouts fire up to 5 ms late",
        "threads are woken by packets, not by timers",
        policy="slack",
    ),
)
STARTS = (
    Start("as shipped, a second time", "nothing", "shows how far two alike are apart"),
    _conf(
        "bridge_native_rtp not loaded",
        "calls without a recorder cost as much as the bridge of recorded ones",
        "modules.conf",
        r"^load = bridge_native_rtp\.so$",
        "",
        "shows what leaving the native bridge costs by itself",
    ),
    _conf(
        "all modules loaded", "memory, attack surface", "modules.conf", r"^autoload = no$", "autoload = yes"
    ),
    _conf(
        "transmit_silence = no",
        "silence to the citizen while Record and Wait run",
        "asterisk.conf",
        r"^transmit_silence = yes$",
        "transmit_silence = no",
        "no talk passes there",
    ),
    _conf(
        "timing by pthread",
        "music on hold less even",
        "modules.conf",
        r"res_timing_timerfd\.so",
        "res_timing_pthread.so",
        "dearer: it has a thread that ticks",
    ),
    _conf(
        "no timing module",
        "music and announcements stop",
        "modules.conf",
        r"^load = res_timing_timerfd\.so$",
        "",
        "a bridge of two uses no timer",
    ),
    _conf(
        "strictrtp = no",
        "anybody may speak into a call",
        "site/rtp.conf",
        r"strictrtp = yes",
        "strictrtp = no",
    ),
    _conf("icesupport = no", "browsers' telephones", "site/rtp.conf", r"icesupport = yes", "icesupport = no"),
    _conf(
        "RTCP every 60 s instead of 5 s",
        "loss and jitter are known a minute late",
        "site/rtp.conf",
        r"strictrtp = yes",
        "strictrtp = yes\nrtcpinterval = 60000",
    ),
    _conf(
        "RTCP messages declined in Stasis",
        "RTCP events over AMI and ARI (not used)",
        "stasis.conf",
        "",
        "[declined_message_types]\ndecline = ast_rtp_rtcp_sent_type\ndecline = ast_rtp_rtcp_received_type",
    ),
    Start(
        "task pools of 2",
        "less room for bursts of set-ups",
        edits=(
            Edit(
                "stasis.conf",
                "[taskpool]\nminimum_size = 2\ninitial_size = 2\nmax_size = 4",
                r"^\[taskpool\]$",
            ),
            Edit(
                "pjsip.conf",
                "[system]\ntaskpool_minimum_size = 2\ntaskpool_initial_size = 2\ntaskpool_max_size = 4",
                r"^\[system\]$",
            ),
        ),
    ),
    Start(
        "CDR and CEL on",
        "a second record that could differ",
        "off stays",
        edits=(
            Edit("cdr.conf", "enable = yes\nunanswered = yes", r"^enable = no$"),
            Edit("cel.conf", "enable = yes\napps = all\nevents = ALL", r"^enable = no$"),
        ),
    ),
    _conf(
        "Queue with t, T, h, H",
        "star codes that a citizen's keypad hits",
        "extensions.conf",
        r"Queue\(\$\{HL_QUEUE\},c,",
        "Queue(${HL_QUEUE},ctThH,",
        "no cost: the bridge stays native, keys come as RFC 4733; not wanted for what it loses",
    ),
    _conf("dtmf_mode = auto", "nothing", "pjsip.conf", r"^dtmf_mode = rfc4733$", "dtmf_mode = auto"),
    _conf(
        "A-law only",
        "carriers and telephones without A-law",
        "pjsip.conf",
        r"^allow = alaw,ulaw(,g722)?$",
        "allow = alaw",
        "A-law is what both sides choose anyway",
    ),
    _conf(
        "no rtp_timeout",
        "a dead telephone keeps a citizen in silence",
        "pjsip.conf",
        r"^rtp_timeout = \d+$",
        "rtp_timeout = 0",
    ),
    Start("MALLOC_ARENA_MAX=2", "nothing", environment={"MALLOC_ARENA_MAX": "2"}),
    Start("jemalloc", "one more package", environment={"LD_PRELOAD": "libjemalloc.so.2"}),
    Start("tcmalloc", "one more package", environment={"LD_PRELOAD": "libtcmalloc_minimal.so.4"}),
    Start("spool in memory (tmpfs)", "what is not yet packed, at a power cut", folder="/dev/shm"),
    Start("asterisk -g (core dumps)", "nothing", options=("-g",)),
    Start(
        "seats echo, 20 ms packets",
        "a measure only: the seats send back what they get",
        "what the next line is compared with",
        echo=True,
    ),
    Start(
        "seats echo, 40 ms packets at the seats",
        "20 ms of delay each way; telephones and browsers must agree",
        "the trunk keeps 20 ms, so packets are cut anew and no bridge is native any more",
        edits=(Edit("pjsip.conf", "allow = alaw:40", r"^allow = alaw,ulaw,g722$"),),
        echo=True,
        beside="seats echo, 20 ms packets",
    ),
)
VARIANTS: tuple[Recorder | Scheduling | Start, ...] = (*RECORDERS, *SCHEDULERS, *STARTS)
