"""What is seen of a load from outside: packets on the wire, the tone in a recording, prompts in a queue."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from hotline.capacity import listening
from hotline.load import heard, rtp
from hotline.phones import alaw


def tone(seconds: float, hertz: float = 440.0) -> np.ndarray:
    return alaw.decode(alaw.tone(hertz, seconds))


def test_a_whole_tone_has_neither_gap_nor_jump() -> None:
    found = heard.listen(np.tile(tone(1.0), 5), 440)
    assert found.good
    assert (found.gaps, found.jumps) == (0, 0)


def test_silence_put_in_is_a_gap_of_its_length() -> None:
    samples = np.tile(tone(1.0), 5)
    samples[8000:8640] = 0
    found = heard.listen(samples, 440)
    assert not found.good
    assert (found.gaps, found.longest_ms) == (1, 80)


def test_a_frame_left_out_without_silence_is_a_jump() -> None:
    samples = np.tile(tone(1.0), 5)
    found = heard.listen(np.concatenate((samples[:8000], samples[8160:])), 440)
    assert (found.gaps, found.jumps) == (0, 1)


def test_silence_alone_is_not_good() -> None:
    assert not heard.listen(np.zeros(16_000), 440).good


def packet(sequence: int, stamp: int, mark: bool = False) -> bytes:
    return struct.pack("!BBHII", 0x80, 8 | (0x80 if mark else 0), sequence, stamp, 7) + b"\xd5" * 20


def stream(taken: list[tuple[float, int, int]]) -> rtp.Stream:
    (found,) = rtp.streams((at, 10_000, 24_000, packet(seq, stamp)) for at, seq, stamp in taken)
    return found


def steady(count: int) -> list[tuple[float, int, int]]:
    return [(n * 0.02, (65_500 + n) & 0xFFFF, n * 160) for n in range(count)]


def test_a_steady_stream_has_no_loss_and_no_jitter() -> None:
    found = stream(steady(300))
    assert (found.packets, found.lost, found.missing) == (300, 0, 0)
    assert found.worst_jitter_ms < 0.01


def test_a_lost_packet_and_a_frame_never_sent_are_told_apart() -> None:
    taken = steady(300)
    del taken[100]
    late = [(at, seq, stamp + (160 if n > 200 else 0)) for n, (at, seq, stamp) in enumerate(taken)]
    found = stream(late)
    assert (found.lost, found.missing) == (1, 1)


def test_a_late_packet_is_not_lost() -> None:
    taken = steady(300)
    taken[100], taken[101] = (taken[100][0], *taken[101][1:]), (taken[101][0], *taken[100][1:])
    found = stream(taken)
    assert (found.lost, found.late) == (0, 1)


def test_another_source_in_the_stream_is_no_loss() -> None:
    taken = steady(150) + [(3.0 + n * 0.02, (9_000 + n) & 0xFFFF, 1_000_000 + n * 160) for n in range(150)]
    assert stream(taken).lost == 0


def test_a_capture_file_is_read_until_its_cut_off_end() -> None:
    udp = packet(1, 160)
    ip = bytes([0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17]) + bytes(10)
    frame = bytes(14) + ip + struct.pack("!HHHH", 10_000, 24_000, 8 + len(udp), 0) + udp
    head = b"\xd4\xc3\xb2\xa1" + struct.pack("<HHiIII", 2, 4, 0, 0, 80, 1)
    record = struct.pack("<IIII", 5, 250_000, len(frame), len(frame)) + frame
    assert list(rtp.packets(head + record + record[:20])) == [(5.25, 10_000, 24_000, udp)]
    with pytest.raises(ValueError, match="no pcap"):
        list(rtp.packets(b"x" * 40))


def test_the_sample_takes_one_port_in_so_many() -> None:
    assert rtp.sample(10, 20, 1) == "udp and ((src portrange 10-20) or (dst portrange 10-20))"
    assert "udp[0:2] & 0xe" in rtp.sample(10, 20, 8)


def test_a_prompt_is_found_in_what_was_heard_and_not_in_noise() -> None:
    import soundfile

    prompt = soundfile.read(listening.PROMPTS / "queue-thereare.wav", dtype="float64")[0]
    noise = np.random.default_rng(1).normal(0, 0.02, 24_000)
    heard_bytes = alaw.encode(np.concatenate((noise, prompt, noise)))
    found = listening.words_in(heard_bytes)
    assert found["place in the queue"] > 0.8
    assert found["call-back is offered"] < listening.LIKE
