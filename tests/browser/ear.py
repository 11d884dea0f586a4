"""What a page's telephone hears: which tones, and how much of each."""

from __future__ import annotations

from playwright.sync_api import Page

from hotline.private_line import NotInTime
from tests.line import until

EAR = """(() => {
  // The telephone's last connection, and ways to ask what arrives on it.
  const Line = RTCPeerConnection
  window.RTCPeerConnection = class extends Line { constructor(...of) { super(...of); window.line = this } }
  const stats = async () => (window.line ? [...(await window.line.getStats()).values()] : [])
  // Energy of all that was heard so far.
  window.heard = async () =>
    (await stats()).find((one) => one.type === 'inbound-rtp')?.totalAudioEnergy ?? 0
  // How loud the microphone is that is sent just now; 0 while muted.
  window.said = async () => (await stats()).find((one) => one.type === 'media-source')?.audioLevel ?? 0
  const listen = () => {
    const ear = new AudioContext({ sampleRate: 8000 }).createAnalyser()
    ear.fftSize = 4096
    ear.smoothingTimeConstant = 0
    const track = window.line.getReceivers()[0].track
    ear.context.createMediaStreamSource(new MediaStream([track])).connect(ear)
    return Object.assign(ear, { of: window.line })
  }
  // Share of the power of the last half second that lies at these frequencies; 0 for silence.
  window.shares = (...tones) => {
    if (!window.line) return null
    if (window.ear?.of !== window.line) window.ear = listen()
    const levels = new Float32Array(window.ear.frequencyBinCount)
    window.ear.getFloatFrequencyData(levels)
    const power = [...levels].map((db) => (db > -90 ? 10 ** (db / 10) : 0)).slice(15)
    const whole = power.reduce((sum, one) => sum + one, 0)
    const near = (tone) => (one, i) => Math.abs(((i + 15) * 4000) / levels.length - tone) < 30 ? one : 0
    const of = (tone) => power.map(near(tone)).reduce((sum, one) => sum + one, 0) / (whole || 1)
    return whole > 1e-7 ? tones.map(of) : null
  }
})()"""


def shares(page: Page, *hertz: float) -> list[float] | None:
    """Which shares (0..1) of what is heard now these tones are; None for silence."""
    found: list[float] | None = page.evaluate(f"shares({', '.join(map(str, hertz))})")
    return found


def hears_only(page: Page, *hertz: float, seconds: float = 8) -> None:
    """Wait for these tones and nothing else; the loudest may be much louder. Raises NotInTime."""

    def only_these() -> bool:
        found = shares(page, *hertz)
        return bool(found) and sum(found) > 0.8 and min(found) > 0.03

    try:
        until(only_these, seconds)
    except NotInTime:
        raise NotInTime(f"not within {seconds:g} s {hertz} Hz: {shares(page, *hertz)}") from None
