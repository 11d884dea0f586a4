"""A citizen at the page `/citizen`: a tone for a voice, and an ear for what the hotline sends."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.browser.ear import EAR, hears_only, shares
from tests.line import Line, until

VOICE = 440
MICROPHONE = """hertz => {
  // A soft tone instead of the microphone.
  navigator.mediaDevices.getUserMedia = async () => {
    const audio = new AudioContext(), tone = audio.createOscillator()
    const out = audio.createMediaStreamDestination()
    tone.frequency.value = hertz
    tone.connect(new GainNode(audio, { gain: 0.3 })).connect(out)
    tone.start()
    return out.stream
  }
}"""


class CitizenPage:
    """The page in a browser context of its own."""

    def __init__(self, page: Page, line: Line) -> None:
        self.page, self.line = page, line
        self.faults: list[str] = []
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("console", lambda said: said.type == "error" and self.faults.append(said.text))
        page.add_init_script(f"({MICROPHONE})({VOICE})")
        page.add_init_script(EAR)
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
        return shares(self.page, *hertz)

    def hears(self, *hertz: float) -> None:
        """These tones and nothing else; the loudest may be much louder."""
        hears_only(self.page, *hertz)

    def hears_music(self) -> None:
        """Sound that is neither the agent's tone nor silence."""
        until(lambda: (self.shares(1000) or [1])[0] < 0.5, 8, "the citizen hears music")
