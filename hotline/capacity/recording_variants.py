"""Everything that was tried to make a recorded call cheaper: what it changes, what it loses, whether it is kept.

A *live* variant is switched on in mid-call, on the calls that the shipped form is measured with; a *start* variant
needs an Asterisk of its own. `kept` is a judgement after measuring and stands here, beside its reason.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from hotline.capacity.talking import Edit

Kind = Literal["recorder", "scheduler", "configuration", "start"]
SHIPPED = "MixMonitor bD, citizen's leg"
NONE = "no recording"
ARMED = r"MixMonitor\(\$\{MONITOR\}/\$\{HL_CALL\}\.raw,bD\)"
"""The line of the shipped dialplan that arms the recording."""


@dataclass(frozen=True)
class Variant:
    """One thing tried.

    live recorder: `file` and `options` of MixMonitor ({n} call, {dir} folder), on the `leg`; or `other`, a way of
    recording that is no MixMonitor. live scheduler: `policy`. start: `edits`, `prefix`, `options`, `environment`.
    """

    name: str
    kind: Kind
    loses: str
    kept: bool = False
    why: str = ""
    leg: Literal["citizen", "agent", "both"] = "citizen"
    file: str = ""
    options: str = ""
    other: Literal["", "capture", "snoop"] = ""
    policy: str = ""
    edits: tuple[Edit, ...] = ()
    prefix: tuple[str, ...] = ()
    start_options: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    folder: str | None = None
    echo: bool = False
    beside: str = ""
    """Variant that it is compared with, if that is not the shipped form."""

    @property
    def live(self) -> bool:
        return self.kind in ("recorder", "scheduler")


def _conf(name: str, file: str, pattern: str, text: str, loses: str, why: str, **more: object) -> Variant:
    return Variant(name, "configuration", loses, why=why, edits=(Edit(file, text, pattern),), **more)  # type: ignore[arg-type]


WITHIN = "within the noise"
RECORDERS = (
    Variant(
        SHIPPED, "recorder", "nothing: two channels, starts at the answer", True,
        "while MixMonitor is the recorder", file="{n}.raw", options="bD",
    ),
    Variant(
        "without b", "recorder", "records the wait and its music too", file="{n}.raw", options="D", why=WITHIN,
    ),
    Variant(
        "mixed wav", "recorder", "the two speakers cannot be told apart", file="{n}.wav", options="b",
        why="no gain for what it loses",
    ),
    Variant(
        "two A-law files, r()t()", "recorder", "two files a call to be joined", file="",
        options="r({dir}/{n}-r.alaw)t({dir}/{n}-t.alaw)", why="no gain: what is written is not what costs",
    ),
    Variant(
        "two slin files, r()t()", "recorder", "two files a call to be joined", file="",
        options="r({dir}/{n}-r.sln)t({dir}/{n}-t.sln)", why="no gain",
    ),
    Variant(
        "r()t() with n (no silence put in)", "recorder", "the two files lose step with each other", file="",
        options="nr({dir}/{n}-r.sln)t({dir}/{n}-t.sln)", why="no gain",
    ),
    Variant(
        "one direction only, r()", "recorder", "the other speaker", file="", options="r({dir}/{n}-r.alaw)",
        why="the hook sees both directions anyway",
    ),
    Variant(
        "on the agent's leg", "recorder", "a transfer ends the recording", leg="agent", file="{n}-a.raw",
        options="bD", why="no gain",
    ),
    Variant(
        "both legs, one file each", "recorder", "nothing", file="{n}-b.raw", options="bD", leg="both",
        why="shows what each further hook costs",
    ),
    Variant(
        "ARI snoop + record", "recorder", "needs Python for every call; a call made while it is away has none",
        other="snoop", why="the dearest: a snoop channel with a timer and a thread of its own beside the hook",
    ),
    Variant(
        "passive capture on the trunk leg", "recorder",
        "SRTP trunks and browser citizens need MixMonitor; CAP_NET_RAW; calls are cut afterwards",
        True, "the bridge stays native: the only one that halves it (recordings/capture)", other="capture",
    ),
)  # fmt: skip
SCHEDULERS = (
    Variant(
        "SCHED_BATCH", "scheduler", "wake-ups wait for a running thread", policy="batch", why=WITHIN,
    ),
    Variant(
        "time slice of 20 ms", "scheduler", "needs sched_setattr on each thread, Linux 6.12", policy="slice",
        why=WITHIN,
    ),
    Variant(
        "SCHED_BATCH, slice of 20 ms", "scheduler", "as both; audio waits up to a slice when the core is full",
        policy="batch slice", why=WITHIN,
    ),
    Variant(
        "all threads on one core", "scheduler", "the other core: it caps what the machine carries", policy="pin",
        why="saves the wake-ups between cores, but halves the room to grow",
    ),
    Variant(
        "real time, SCHED_RR 10 (asterisk -p)", "scheduler", "Asterisk may starve the machine that watches it",
        policy="rr", why="other parts wait longer; no gain that lasts",
    ),
    Variant("nice -10", "scheduler", "the others wait longer", policy="nice", why=WITHIN),
    Variant(
        "timer slack of 5 ms", "scheduler", "timeouts fire up to 5 ms late", policy="slack",
        why="threads are woken by packets, not by timers",
    ),
)  # fmt: skip
STARTS = (
    _conf(
        "bridge_native_rtp not loaded", "modules.conf", r"^load = bridge_native_rtp\.so$", "",
        "calls without a recorder cost as much as the bridge of recorded ones",
        "shows what leaving the native bridge costs by itself",
    ),
    _conf("all modules loaded", "modules.conf", r"^autoload = no$", "autoload = yes", "memory, attack surface",
          "the shipped list stays: less memory, same CPU"),
    _conf("transmit_silence = no", "asterisk.conf", r"^transmit_silence = yes$", "transmit_silence = no",
          "silence to the citizen while Record and Wait run", "no talk passes there"),
    _conf("timing by pthread", "modules.conf", r"res_timing_timerfd\.so", "res_timing_pthread.so",
          "music on hold less even", "a bridge of two uses no timer"),
    _conf("no timing module", "modules.conf", r"^load = res_timing_timerfd\.so$", "",
          "music and announcements stop", "a bridge of two uses no timer"),
    _conf("strictrtp = no", "site/rtp.conf", r"strictrtp = yes", "strictrtp = no",
          "anybody may speak into a call", WITHIN),
    _conf("icesupport = no", "site/rtp.conf", r"icesupport = yes", "icesupport = no", "browsers' telephones",
          WITHIN),
    _conf("RTCP every 60 s instead of 5 s", "site/rtp.conf", r"strictrtp = yes", "strictrtp = yes\nrtcpinterval = 60000",
          "loss and jitter are known a minute late", WITHIN),
    _conf("RTCP messages declined in Stasis", "stasis.conf", "",
          "\n[declined_message_types]\ndecline = ast_rtp_rtcp_sent_type\ndecline = ast_rtp_rtcp_received_type\n",
          "RTCP events over AMI and ARI (not used)", WITHIN),
    Variant("task pools of 2", "configuration", "less room for bursts of set-ups", why=WITHIN, edits=(
        Edit("stasis.conf", "[taskpool]\nminimum_size = 2\ninitial_size = 2\nmax_size = 4", r"^\[taskpool\]$"),
        Edit("pjsip.conf", "[system]\ntaskpool_minimum_size = 2\ntaskpool_initial_size = 2\ntaskpool_max_size = 4",
             r"^\[system\]$"))),
    Variant("CDR and CEL on", "configuration", "a second record that could differ", why="off stays", edits=(
        Edit("cdr.conf", "enable = yes\nunanswered = yes", r"^enable = no$"),
        Edit("cel.conf", "enable = yes\napps = all\nevents = ALL", r"^enable = no$"))),
    _conf("Queue with t, T, h, H", "extensions.conf", r"Queue\(\$\{HL_QUEUE\},c,", "Queue(${HL_QUEUE},ctThH,",
          "star codes that a citizen's keypad hits", "never: a bridge with key features is not native either"),
    _conf("dtmf_mode = auto", "pjsip.conf", r"^dtmf_mode = rfc4733$", "dtmf_mode = auto", "nothing", WITHIN),
    _conf("A-law only", "pjsip.conf", r"^allow = alaw,ulaw(,g722)?$", "allow = alaw",
          "carriers and telephones without A-law", "A-law is what both sides choose anyway"),
    _conf("no rtp_timeout", "pjsip.conf", r"^rtp_timeout = \d+$", "rtp_timeout = 0",
          "a dead telephone keeps a citizen in silence", WITHIN),
    Variant("MALLOC_ARENA_MAX=2", "start", "nothing", why=WITHIN, environment={"MALLOC_ARENA_MAX": "2"}),
    Variant("jemalloc", "start", "one more package", why=WITHIN, environment={"LD_PRELOAD": "libjemalloc.so.2"}),
    Variant("tcmalloc", "start", "one more package", why=WITHIN,
            environment={"LD_PRELOAD": "libtcmalloc_minimal.so.4"}),
    Variant("spool in memory (tmpfs)", "start", "what is not yet packed, at a power cut", why=WITHIN,
            folder="/dev/shm"),
    Variant("asterisk -g (core dumps)", "start", "nothing", why=WITHIN, start_options=("-g",)),
    Variant("seats echo, 20 ms packets", "configuration", "a measure only: the seats send back what they get",
            why="what the next line is compared with", echo=True),
    Variant("seats echo, 40 ms packets at the seats", "configuration",
            "20 ms of delay each way; telephones and browsers must agree", echo=True,
            why="the trunk keeps 20 ms; packets are cut anew, and no bridge is native any more",
            beside="seats echo, 20 ms packets", edits=(
                Edit("pjsip.conf", "allow = alaw:40", r"^allow = alaw,ulaw,g722$"),)),
)  # fmt: skip
VARIANTS = (*RECORDERS, *SCHEDULERS, *STARTS)
