"""A-law, tones, and keys as named events."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from hotline.phones import alaw
from hotline.phones.ear import alaw_payload, key_frames, pressed_key
from hotline.phones.voices import FOLDER, sentences, spoken


def test_alaw_agrees_with_the_table_of_g711() -> None:
    # Decoder output values of ITU-T G.711, table 1a, scaled to 16 bits.
    assert (alaw.decode(bytes([0xD5, 0x55, 0xAA, 0x2A])) * 32768).tolist() == [8, -8, 32256, -32256]
    assert alaw.encode(np.array([0.0])) == b"\xd5"


def test_encoding_what_was_decoded_changes_no_byte() -> None:
    every = bytes(range(256))
    assert alaw.encode(alaw.decode(every) * 32768 / 32767) == every


def test_a_tone_is_found_by_its_frequency() -> None:
    tone = alaw.tone(440, 1.0)
    assert len(tone) == 8000
    assert alaw.share_of(440, tone) > 0.99
    assert alaw.share_of(1000, tone) < 0.01
    assert alaw.loudness(tone) == pytest.approx(0.3 / np.sqrt(2), rel=0.05)
    assert alaw.share_of(440, b"") == 0.0


def test_a_key_for_sipp_has_exactly_one_end() -> None:
    packets = [alaw.key_events("#")[n : n + 50] for n in range(0, 300, 50)]
    events = [struct.unpack("!BBH", packet[:4]) for packet in packets]
    assert {event[0] for event in events} == {11}
    assert [event[1] >> 7 for event in events] == [0, 0, 0, 0, 0, 1]
    assert [event[2] for event in events] == [240, 480, 720, 960, 1200, 1440]
    with pytest.raises(ValueError, match="not a telephone key"):
        alaw.key_events("12")


def test_a_key_of_the_ear_ends_three_times() -> None:
    frames = key_frames("5")
    assert all(frame[0] == 5 for frame in frames)
    assert [frame[1] >> 7 for frame in frames] == [0] * 8 + [1] * 3
    assert frames[-3] == frames[-1]


def test_only_alaw_is_heard_and_only_its_sound() -> None:
    head = struct.pack("!BBHII", 0x80, 8, 1, 2, 3)
    assert alaw_payload(head + b"sound") == b"sound"
    assert alaw_payload(struct.pack("!BBHII", 0x80, 98, 1, 2, 3) + b"key.") == b""
    assert alaw_payload(struct.pack("!BBHIIIHH", 0x91, 8, 1, 2, 3, 4, 0, 0) + b"sound") == b"sound"
    assert alaw_payload(struct.pack("!BBHII", 0xA0, 8, 1, 2, 3) + b"sound\0\0\3") == b"sound"
    assert alaw_payload(b"\x80\x08") == b""
    # A key counts at its end packet; the three of them carry the same time stamp.
    pressed = [pressed_key(head[:1] + b"\x62" + head[2:] + frame) for frame in key_frames("#")]
    assert [one for one in pressed if one] == [(2, "#")] * 3
    assert pressed_key(head + b"sound") is None


def test_what_the_scenarios_play_is_written(tmp_path: Path) -> None:
    alaw.write_sounds(tmp_path, None)
    assert {path.name for path in tmp_path.iterdir()} >= {
        "silence.al",
        "speech.al",
        "key-0.ev",
        "key-star.ev",
    }
    assert len(list(tmp_path.iterdir())) == 14


def test_each_sentence_has_its_speech() -> None:
    assert {path.stem for path in FOLDER.glob("*.wav")} == set(sentences())
    for name in sentences():
        assert alaw.loudness(spoken(name)[:16000]) > 0.005
