"""Captured bytes become rows, and rows become sound: lost, late, twice, out of order, wrapped around."""

from __future__ import annotations

import struct
from ipaddress import IPv4Network

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recordings.capture import packets
from recordings.capture.packets import NoCapture, Rows, parse, row_type
from recordings.capture.sound_of import ALAW, TABLES, ULAW, laid

TRUNK = [IPv4Network("127.0.0.2/32")]
OURS = (10000, 10998)
BEGIN = 1_795_000_000_000_000
"""Microseconds."""
FRAME = 20_000


def rtp(seq: int, stamp: int, sound: bytes, kind: int = ALAW, ssrc: int = 7, first: int = 0x80) -> bytes:
    return struct.pack(">BBHII", first, kind, seq & 0xFFFF, stamp & 0xFFFFFFFF, ssrc) + sound


def udp(source: tuple[str, int], target: tuple[str, int], payload: bytes, link: bytes = bytes(12)) -> bytes:
    def number(address: str) -> bytes:
        return bytes(map(int, address.split(".")))

    head = struct.pack(">BBHHHBBH", 0x45, 0, 28 + len(payload), 0, 0, 64, 17, 0)
    ports = struct.pack(">HHHH", source[1], target[1], 8 + len(payload), 0)
    return link + b"\x08\x00" + head + number(source[0]) + number(target[0]) + ports + payload


def capture(frames: list[tuple[int, bytes]]) -> bytes:
    """A pcap file of (microseconds, frame)."""
    head = struct.pack("<IHHiIII", packets.MICROSECONDS, 2, 4, 0, 0, 600, 1)
    return head + b"".join(
        struct.pack("<IIII", at // 1_000_000, at % 1_000_000, len(frame), len(frame)) + frame
        for at, frame in frames
    )


CITIZEN, US = ("127.0.0.2", 24000), ("127.0.0.1", 10024)


def test_a_packet_of_each_direction_is_a_row() -> None:
    data = capture([
        (BEGIN, udp(CITIZEN, US, rtp(1, 160, b"\x55" * 160))),
        (BEGIN + 5, udp(US, CITIZEN, rtp(9, 320, b"\xd5" * 80, ULAW, ssrc=8))),
    ])  # fmt: skip
    found = parse(data, OURS, TRUNK)
    rows = found.rows
    assert (found.packets, found.left_over, len(rows)) == (2, 0, 2)
    assert rows["at"].tolist() == [BEGIN, BEGIN + 5]
    assert rows["out"].tolist() == [0, 1]
    assert rows["port"].tolist() == [10024, 10024]
    assert set(rows["remote"].tolist()) == {packets.address("127.0.0.2:24000")}
    assert (rows["seq"].tolist(), rows["stamp"].tolist(), rows["ssrc"].tolist()) == (
        [1, 9],
        [160, 320],
        [7, 8],
    )
    assert (rows["kind"].tolist(), rows["size"].tolist()) == ([ALAW, ULAW], [160, 80])
    assert rows["sound"][1][:80].tolist() == [0xD5] * 80


def test_what_is_no_rtp_of_the_trunk_is_left_out() -> None:
    sound = rtp(1, 160, b"\x55" * 160)
    strangers = [
        udp(("127.0.0.3", 24000), US, sound),
        udp(CITIZEN, ("127.0.0.1", 9000), sound),
        udp(CITIZEN, US, b"\x80"),
        udp(CITIZEN, US, rtp(1, 160, b"", kind=ALAW)),
        udp(CITIZEN, US, rtp(1, 160, bytes(16), kind=72)),
        udp(CITIZEN, US, b"INVITE sip:12345 SIP/2.0\r\n"),
    ]
    found = parse(capture([(BEGIN, frame) for frame in strangers]), OURS, TRUNK)
    assert (found.packets, len(found.rows)) == (6, 0)


def test_vlan_tags_options_sources_extension_and_padding_are_stepped_over() -> None:
    tagged = udp(CITIZEN, US, rtp(1, 0, b"\x11" * 160), link=bytes(12) + b"\x81\x00\x00\x05")
    contributing = struct.pack(">BBHII", 0x81, ALAW, 2, 160, 7) + bytes(4) + b"\x22" * 160
    extended = struct.pack(">BBHII", 0x90, ALAW, 3, 320, 7) + b"\xbe\xde\x00\x01" + bytes(4) + b"\x33" * 160
    padded = rtp(4, 480, b"\x44" * 160 + bytes(3) + b"\x04", first=0xA0)
    frames = [tagged, *(udp(CITIZEN, US, one) for one in (contributing, extended, padded))]
    rows = parse(capture([(BEGIN, frame) for frame in frames]), OURS, TRUNK).rows
    assert rows["size"].tolist() == [160] * 4
    assert [int(one[0]) for one in rows["sound"]] == [0x11, 0x22, 0x33, 0x44]
    assert all((one == one[0]).all() for one in rows["sound"])


@given(st.integers(0, 400))
def test_a_file_cut_anywhere_gives_its_whole_packets(cut: int) -> None:
    frames = [(BEGIN, udp(CITIZEN, US, rtp(n, n * 160, b"\x55" * 160))) for n in range(2)]
    data = capture(frames)[:cut]
    found = parse(data, OURS, TRUNK)
    size = 16 + len(frames[0][1])
    assert len(found.rows) == max(0, min(2, (len(data) - 24) // size))
    assert found.left_over + found.packets * size + 24 * (len(data) >= 24) == len(data)


def test_a_hole_in_a_file_costs_what_was_in_it() -> None:
    frames = [(BEGIN + n, udp(CITIZEN, US, rtp(n, n * 160, b"\x55" * 160))) for n in range(100)]
    data = capture(frames)
    size = 16 + len(frames[0][1])
    torn = data[: 24 + 20 * size + 100] + data[24 + 40 * size + 9 :]
    found = parse(torn, OURS, TRUNK).rows["seq"].tolist()
    assert found[:20] == list(range(20))
    assert found[-55:] == list(range(45, 100))


def test_another_file_is_refused() -> None:
    with pytest.raises(NoCapture):
        parse(b"RIFF" * 20, OURS, TRUNK)


# --- sound ---------------------------------------------------------------------------------------------


def rows_of(
    frames: int,
    *,
    seq: int = 0,
    stamp: int = 0,
    ssrc: int = 7,
    begin: int = BEGIN,
    first: int = 0,
    jitter: np.ndarray | None = None,
) -> Rows:
    """A stream: frame n holds 160 times a value of its own and comes 20 ms after the one before."""
    rows = np.zeros(frames, row_type(160))
    number = np.arange(frames)
    rows["at"] = begin + number * FRAME + (0 if jitter is None else jitter)
    rows["seq"] = (seq + number) % (1 << 16)
    rows["stamp"] = (stamp + number * 160) % (1 << 32)
    rows["ssrc"], rows["size"], rows["kind"] = ssrc, 160, ALAW
    rows["sound"] = ((first + number) % 251)[:, None]
    return rows


def sound_of(frames: int, first: int = 0) -> np.ndarray:
    return np.repeat(TABLES[ALAW][(first + np.arange(frames)) % 251], 160)


def span(frames: int, begin: int = BEGIN) -> list[tuple[int, int]]:
    return [(begin, begin + frames * FRAME)]


def test_the_tables_are_those_of_g711() -> None:
    alaw, ulaw = TABLES[ALAW], TABLES[ULAW]
    assert (alaw[0xD5], alaw[0x55], alaw[0xAA], alaw[0x2A]) == (8, -8, 32256, -32256)
    assert (ulaw[0xFF], ulaw[0x7F], ulaw[0x80], ulaw[0x00]) == (0, 0, 32124, -32124)


@given(st.integers(0, (1 << 16) - 1), st.integers(0, (1 << 32) - 1))
def test_counters_may_wrap_around_anywhere(seq: int, stamp: int) -> None:
    found = laid(rows_of(400, seq=seq, stamp=stamp), span(400))
    assert (found.packets, found.lost, found.twice) == (400, 0, 0)
    assert (found.samples == sound_of(400)).all()


@given(st.lists(st.integers(1, 298), max_size=40, unique=True))
def test_what_is_lost_is_silence_and_counted(lost: list[int]) -> None:
    rows = np.delete(rows_of(300), lost)
    found = laid(rows, span(300))
    wanted = sound_of(300).reshape(-1, 160)
    wanted[lost] = 0
    assert (found.samples.reshape(-1, 160) == wanted).all()
    assert (found.lost, found.packets) == (len(lost), 300 - len(lost))


@given(st.lists(st.integers(0, 190_000), min_size=300, max_size=300), st.data())
def test_late_packets_out_of_order_and_twice_stand_where_they_belong(
    late: list[int], data: st.DataObject
) -> None:
    # The line's own delay: most packets come at once, some do not.
    hit = data.draw(st.lists(st.integers(0, 299), max_size=60, unique=True))
    jitter = np.zeros(300, np.int64)
    jitter[hit] = np.array(late)[hit]
    rows = rows_of(300, jitter=jitter)
    again = data.draw(st.lists(st.integers(0, 299), max_size=30, unique=True))
    twice = np.concatenate([rows, rows[again]])
    twice["at"][300:] += 7
    twice = twice[np.argsort(twice["at"], kind="stable")]
    found = laid(twice, span(300))
    assert (found.samples == sound_of(300)).all()
    assert (found.twice, found.lost, found.packets) == (len(again), 0, 300)
    assert found.late == int((jitter > 60_000).sum())


@pytest.mark.parametrize("held_up", [40, 90])
def test_a_burst_after_a_stall_moves_nothing(held_up: int) -> None:
    rows = rows_of(900)
    rows["at"][400 : 400 + held_up] = rows["at"][400 + held_up] - np.arange(held_up)[::-1] * 200
    assert (laid(rows, span(900)).samples == sound_of(900)).all()


def test_another_source_and_a_jump_of_the_stamps_go_on_at_their_time() -> None:
    rows = np.concatenate([
        rows_of(100, stamp=1000),
        rows_of(100, seq=100, stamp=99_999_999, begin=BEGIN + 100 * FRAME, first=100),
        rows_of(100, seq=5, stamp=3, ssrc=9, begin=BEGIN + 200 * FRAME, first=200),
    ])  # fmt: skip
    found = laid(rows, span(300))
    assert (found.samples == sound_of(300)).all()
    assert found.lost == 0


def test_a_clock_that_runs_away_is_followed() -> None:
    # 200 parts in a million: 24 packets in ten minutes.
    rows = rows_of(30_000)
    rows["at"] += (np.arange(30_000) * FRAME * 0.0002).astype(np.int64)
    found = laid(rows, span(30_000))
    last = TABLES[ALAW][29_993 % 251]
    where = np.flatnonzero(found.samples[-160 * 20 :] == last)
    expected = 160 * 20 - (30_000 - 29_993) * 160 + round(29_993 * 0.02 * 0.0002 * 8000)
    assert abs(int(where[0]) - expected) < 8000 * 0.05


def test_keys_and_comfort_noise_are_no_sound() -> None:
    rows = rows_of(60)
    keys = rows[20:30].copy()
    keys["kind"], keys["size"], keys["stamp"] = 98, 4, keys["stamp"][0]
    noise = rows[40:41].copy()
    noise["kind"], noise["size"] = 13, 1
    rest = np.concatenate([rows[:20], keys, rows[30:40], noise, rows[45:]])
    found = laid(rest, span(60))
    wanted = sound_of(60).reshape(-1, 160)
    wanted[20:30] = wanted[40:45] = 0
    assert (found.samples.reshape(-1, 160) == wanted).all()
    assert found.strange == 0


def test_spans_lie_one_after_the_other_and_cut_packets_at_their_edges() -> None:
    rows = rows_of(300)
    half = FRAME // 2
    spans = [
        (BEGIN + 10 * FRAME + half, BEGIN + 20 * FRAME),
        (BEGIN + 100 * FRAME, BEGIN + 110 * FRAME + half),
    ]
    whole = sound_of(300)
    wanted = np.concatenate([whole[10 * 160 + 80 : 20 * 160], whole[100 * 160 : 110 * 160 + 80]])
    assert (laid(rows, spans).samples == wanted).all()


def test_nothing_captured_is_silence_of_the_right_length() -> None:
    found = laid(np.zeros(0, row_type(0)), span(50))
    assert (len(found.samples), int(np.abs(found.samples).sum()), found.packets) == (8000, 0, 0)
