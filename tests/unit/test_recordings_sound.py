"""recordings.sound: synthesised calls in, figures and FLAC out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from recordings import samples, sound


def loudest_hertz(channel: np.ndarray) -> float:
    spectrum = np.abs(np.fft.rfft(channel))
    return float(np.argmax(spectrum) * sound.RATE / len(channel))


def test_levels_and_speech_are_measured_for_each_channel(tmp_path: Path) -> None:
    heard = sound.measure(samples.write_raw(tmp_path / "a.raw", 5.0, agent=0))
    assert heard.seconds == 5.0
    assert heard.levels_db[0] == pytest.approx(samples.TONE_DB, abs=0.2)
    assert heard.levels_db[1] < -70
    assert heard.speech_seconds == (5.0, 0.0)
    assert heard.left_over_bytes == 0


def test_digital_silence_has_the_floor_level(tmp_path: Path) -> None:
    (tmp_path / "a.raw").write_bytes(bytes(32000))
    heard = sound.measure(tmp_path / "a.raw")
    assert heard.levels_db == (sound.FLOOR_DB, sound.FLOOR_DB)
    assert heard.seconds == 1.0


def test_full_scale_does_not_overflow(tmp_path: Path) -> None:
    (tmp_path / "a.raw").write_bytes(np.full((8000, 2), -32768, "<i2").tobytes())
    assert sound.measure(tmp_path / "a.raw").levels_db == (0.0, 0.0)


@pytest.mark.parametrize("extra", [1, 2, 3])
def test_odd_bytes_at_the_end_are_told_and_left_out(tmp_path: Path, extra: int) -> None:
    raw = samples.write_raw(tmp_path / "a.raw", 1.0)
    raw.write_bytes(raw.read_bytes() + b"\x7f" * extra)
    heard = sound.measure(raw)
    assert (heard.frames, heard.left_over_bytes) == (8000, extra)


@pytest.mark.parametrize("size", [0, 1, 3])
def test_a_file_without_one_frame_has_no_length(tmp_path: Path, size: int) -> None:
    (tmp_path / "a.raw").write_bytes(b"\x01" * size)
    heard = sound.measure(tmp_path / "a.raw")
    assert heard.frames == 0
    assert heard.levels_db == (sound.FLOOR_DB, sound.FLOOR_DB)


def test_flac_keeps_every_sample_and_the_order_of_channels(tmp_path: Path) -> None:
    raw = samples.write_raw(tmp_path / "a.raw", 65.03)
    heard = sound.write_flac(raw, tmp_path / "a.flac")
    assert sound.measure(tmp_path / "a.flac") == heard
    assert sf.info(tmp_path / "a.flac").channels == 2
    kept, rate = sf.read(tmp_path / "a.flac", dtype="int16")
    assert rate == sound.RATE
    assert kept.tobytes() == raw.read_bytes()
    assert loudest_hertz(kept[:, 0]) == pytest.approx(samples.CALLER_HZ, abs=1)
    assert loudest_hertz(kept[:, 1]) == pytest.approx(samples.AGENT_HZ, abs=1)


def test_a_file_is_read_in_bounded_blocks(tmp_path: Path) -> None:
    raw = samples.write_raw(tmp_path / "a.raw", 100.0)
    lengths = [len(block) for block in sound.raw_blocks(raw)]
    assert max(lengths) == sound.BLOCK_FRAMES
    assert sum(lengths) == 800_000


def test_voice_message_has_one_channel(tmp_path: Path) -> None:
    heard = sound.write_flac(samples.write_message(tmp_path / "m.wav", 3.0), tmp_path / "m.flac")
    assert (heard.channels, heard.seconds, heard.speech_seconds) == (1, 3.0, (3.0,))


def test_wav_whose_header_was_never_completed_is_read_and_told(tmp_path: Path) -> None:
    wav = samples.write_message(tmp_path / "m.wav", 2.0)
    data = bytearray(wav.read_bytes())
    data[4:8] = data[40:44] = bytes(4)
    wav.write_bytes(data)
    heard = sound.measure(wav)
    assert heard.frames == 16000
    assert heard.left_over_bytes > 0


@pytest.mark.parametrize("content", [b"", b"RIFF", b"no sound at all" * 100])
def test_what_is_no_sound_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "m.wav").write_bytes(content)
    with pytest.raises(sound.UnreadableSound):
        sound.measure(tmp_path / "m.wav")


def test_a_wrong_rate_is_refused(tmp_path: Path) -> None:
    sf.write(tmp_path / "m.wav", samples.tone(1.0, 440), 44100)
    with pytest.raises(sound.UnreadableSound, match="44100"):
        sound.measure(tmp_path / "m.wav")


@pytest.mark.parametrize("seconds", [0.05, 1.0, 70.013])
def test_peaks_are_loud_where_the_sound_is(tmp_path: Path, seconds: float) -> None:
    raw = samples.write_raw(tmp_path / "a.raw", seconds, agent=0)
    sound.write_flac(raw, tmp_path / "a.flac")
    caller, agent = sound.peaks(tmp_path / "a.flac", 800)
    assert len(caller) == len(agent) <= 800
    assert max(caller) == pytest.approx(10 ** (samples.TONE_DB / 20) * 2**0.5, abs=0.01)
    assert max(agent) < 0.001


def test_peaks_equal_those_counted_at_once(tmp_path: Path) -> None:
    noise = np.random.default_rng(7).integers(-32768, 32767, (250_001, 2), dtype=np.int16, endpoint=True)
    sf.write(tmp_path / "a.flac", noise, sound.RATE, subtype="PCM_16")
    stretch = -(-len(noise) // 100)
    expected = [
        np.abs(noise[at : at + stretch].astype(int)).max(axis=0) / 32768
        for at in range(0, len(noise), stretch)
    ]
    np.testing.assert_allclose(np.array(sound.peaks(tmp_path / "a.flac", 100)).T, expected, atol=1e-4)
