"""A citizen at the page `/citizen`: a tone for a voice, and an ear for what the hotline sends."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.line import Line, until

VOICE = 440
EAR = """hertz => {
  // A soft tone instead of the microphone, and a way to ask what arrives.
  navigator.mediaDevices.getUserMedia = async () => {
    const audio = new AudioContext(), tone = audio.createOscillator()
    const out = audio.createMediaStreamDestination()
    tone.frequency.value = hertz
    tone.connect(new GainNode(audio, { gain: 0.3 })).connect(out)
    tone.start()
    return out.stream
  }
  const Line = RTCPeerConnection
  window.RTCPeerConnection = class extends Line { constructor(...of) { super(...of); window.line = this } }
  window.heard = async () => {
    const all = window.line ? [...(await window.line.getStats()).values()] : []
    return all.find((one) => one.type === 'inbound-rtp')?.totalAudioEnergy ?? 0
  }
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
    if (window.ear?.of !== window.line) window.ear = listen()
    const levels = new Float32Array(window.ear.frequencyBinCount)
    window.ear.getFloatFrequencyData(levels)
    const power = [...levels].map((db) => (db > -90 ? 10 ** (db / 10) : 0)).slice(15)
    const whole = power.reduce((sum, one) => sum + one, 0)
    const near = (tone) => (one, i) => Math.abs(((i + 15) * 4000) / levels.length - tone) < 30 ? one : 0
    const of = (tone) => power.map(near(tone)).reduce((sum, one) => sum + one, 0) / (whole || 1)
    return whole > 1e-7 ? tones.map(of) : null
  }
}"""


class CitizenPage:
    """The page in a browser context of its own."""

    def __init__(self, page: Page, line: Line) -> None:
        self.page, self.line = page, line
        self.faults: list[str] = []
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("console", lambda said: said.type == "error" and self.faults.append(said.text))
        page.add_init_script(f"({EAR})({VOICE})")
        page.goto(f"{line.address}/citizen")

    def dial(self, own: str) -> None:
        """Call 12345 from this number, 1990000 and four digits."""
        self.page.get_by_test_id("citizen-number").fill(own)
        self.page.get_by_test_id("citizen-call").click()

    def sees(self, state: str, seconds: float = 10) -> None:
        """The line on the page: idle, calling, talking, ended."""
        line = self.page.get_by_test_id("citizen-state")
        expect(line).to_have_attribute("data-state", state, timeout=seconds * 1000)

    def press(self, key: str) -> None:
        """A key of the page's dial pad."""
        self.page.get_by_test_id(f"citizen-key-{'star' if key == '*' else key}").click()

    def walks(self, keys: str) -> None:
        """Keys of the menu, each pressed when the one before has been taken."""
        for key in keys:
            before = self._steps()
            self.press(key)
            until(lambda seen=before: self._steps() > seen, 5, f"key {key} taken")  # type: ignore[misc]

    def _steps(self) -> int:
        return self.line.settings.journal.read_text().count("|MENUSTEP|")

    def shares(self, *hertz: float) -> list[float] | None:
        """Which shares (0..1) of what is heard now these tones are; None for silence."""
        found: list[float] | None = self.page.evaluate(f"shares({', '.join(map(str, hertz))})")
        return found

    def hears(self, *hertz: float) -> None:
        """These tones and nothing else; the loudest may be much louder."""

        def only_these() -> bool:
            shares = self.shares(*hertz)
            return bool(shares) and sum(shares) > 0.8 and min(shares) > 0.03

        until(only_these, 8, f"the citizen hears {hertz} Hz")

    def hears_music(self) -> None:
        """Sound that is neither the agent's tone nor silence."""
        until(lambda: (self.shares(1000) or [1])[0] < 0.5, 8, "the citizen hears music")
