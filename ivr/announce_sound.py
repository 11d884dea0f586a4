"""Makes an announcement's sound in a process of its own: a synthesiser that hangs takes nothing with it.

    python -m ivr.announce_sound speak OUT.wav  < text         python -m ivr.announce_sound take OUT.wav GIVEN

prints a JSON object a line: {"percent": 40} ... and at the end {"seconds": 12.3} or {"problem": "code"}.
`run` is the other side: it starts the process, reads it and keeps the time limit.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ivr.announce_files import LONGEST_SECONDS, SHORTEST_SECONDS

LIMIT_SECONDS = 300.0
"""90 s of speech take about that long on one busy core."""
MEMORY_BYTES = 6 * 1024**3
"""Address space, of which the model takes about 2 GB; 0.5 GB are really used."""
QUIETEST_DBFS = -45.0
LEAST_RATE = 8000
PROBLEMS = {
    "voice_missing": "服务器上没有安装语音合成，请管理员运行 hotline voice install，或改为上传录音。",
    "nothing_to_say": "文字里没有可以朗读的内容。",
    "too_long": f"播放时长超过 {LONGEST_SECONDS:.0f} 秒，请精简内容。",
    "too_short": f"播放时长不足 {SHORTEST_SECONDS:.0f} 秒。",
    "silent": "录音几乎没有声音，请检查麦克风后重录。",
    "not_a_sound": "文件不是可以识别的录音，请使用 WAV 格式。",
    "no_file": "上传的文件已不在服务器上，请重新上传。",
    "low_rate": "录音的采样率低于 8000 Hz，请重新录制。",
    "timeout": "合成用时过长，已中止，请精简内容后再试。",
    "crashed": "合成程序意外中止，请再试一次；仍然失败时请改为上传录音。",
}


class SoundProblem(Exception):
    """No sound could be made; `code` is one of PROBLEMS."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code, self.detail = code, detail

    @property
    def sentence(self) -> str:
        return PROBLEMS.get(self.code, PROBLEMS["crashed"])


# --- the other side ------------------------------------------------------------------------------------


def run(
    what: list[str],
    text: str,
    on_percent: Callable[[int], bool],
    limit: float = LIMIT_SECONDS,
    command: list[str] | None = None,
) -> float:
    """Runs the process with the words `what` and gives the sound's length in seconds.

    `on_percent` hears how far it is; when it gives False the process is stopped (SoundProblem "unwanted").
    Raises SoundProblem. `command` stands in for the process in tests.
    """
    line = command or [sys.executable, "-m", "ivr.announce_sound"]
    child = subprocess.Popen(
        [*line, *what],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).resolve().parent.parent,
    )
    late = threading.Event()

    def stop() -> None:
        late.set()
        child.kill()

    watch = threading.Timer(limit, stop)
    complaints: list[str] = []
    errors = threading.Thread(target=lambda: complaints.extend(child.stderr or ()), daemon=True)
    watch.start()
    errors.start()
    try:
        return _listen(child, text, on_percent)
    except SoundProblem as problem:
        if problem.code != "crashed":
            raise
        errors.join(1)
        raise SoundProblem("timeout" if late.is_set() else "crashed", "".join(complaints)[-300:]) from None
    finally:
        watch.cancel()
        child.kill()
        child.wait()


def _listen(child: subprocess.Popen[str], text: str, on_percent: Callable[[int], bool]) -> float:
    assert child.stdin
    assert child.stdout
    try:
        child.stdin.write(text)
        child.stdin.close()
    except BrokenPipeError:
        pass  # it has died: what it said is below
    for said in _objects(child.stdout):
        if "problem" in said:
            raise SoundProblem(str(said["problem"]))
        if "seconds" in said:
            return float(said["seconds"])
        if not on_percent(int(said.get("percent", 0))):
            raise SoundProblem("unwanted")
    raise SoundProblem("crashed")


def _objects(lines: Any) -> Iterator[dict[str, Any]]:
    for line in lines:
        try:
            said = json.loads(line)
        except ValueError:
            continue  # a library's own words
        if isinstance(said, dict):
            yield said


# --- the process ---------------------------------------------------------------------------------------


def speak(text: str, out: Path) -> float:
    """The text as speech, the digits as they are said; gives seconds. Raises SoundProblem."""
    from ivr import voice
    from ivr.reading import spoken

    parts = voice.pieces(spoken(text))
    if not parts:
        raise SoundProblem("nothing_to_say")
    try:
        if not voice.is_installed():
            raise voice.VoiceMissing("not installed")
        say = voice.synthesiser()
    except voice.VoiceMissing as error:
        raise SoundProblem("voice_missing", str(error)) from None
    _tell(percent=5)
    done, whole, sounds = 0, sum(map(len, parts)), []
    for part in parts:
        sounds.append(voice.sentence(part, say))
        done += len(part)
        _tell(percent=5 + 90 * done // whole)
        if sum(map(len, sounds)) > LONGEST_SECONDS * voice.MODEL_RATE:
            raise SoundProblem("too_long")
    return keep(voice.joined(sounds), voice.MODEL_RATE, out)


def take(given: Path, out: Path) -> float:
    """A recorded file as the telephone wants it; gives seconds. Raises SoundProblem."""
    import soundfile

    try:
        with soundfile.SoundFile(str(given)) as file:
            rate, frames = file.samplerate, file.frames
            if rate < LEAST_RATE:
                raise SoundProblem("low_rate")
            refuse_length(frames / rate)
            sound = file.read(dtype="float32", always_2d=True).mean(axis=1)
    except (soundfile.SoundFileError, RuntimeError, OSError, ValueError) as error:
        raise SoundProblem("not_a_sound", str(error)) from None
    _tell(percent=40)
    return keep(sound, rate, out)


def refuse_length(seconds: float) -> None:
    """Raises SoundProblem for a sound that is too long or too short."""
    if seconds > LONGEST_SECONDS:
        raise SoundProblem("too_long")
    if seconds < SHORTEST_SECONDS:
        raise SoundProblem("too_short")


def keep(sound: Any, rate: int, out: Path) -> float:
    """Checks, levels and writes a sound. Raises SoundProblem too_long, too_short, silent."""
    import numpy as np

    from ivr.telephone_sound import PHONE_RATE, for_telephone, loudest, write_wav

    if not np.isfinite(sound).all() or loudest(sound, rate) < QUIETEST_DBFS:
        raise SoundProblem("silent")
    samples = for_telephone(sound, rate)
    seconds = len(samples) / PHONE_RATE
    refuse_length(seconds)
    write_wav(out, samples)
    return seconds


def _tell(**facts: Any) -> None:
    print(json.dumps(facts), flush=True)


def main() -> None:
    """Make one sound; says what came of it and ends."""
    os.nice(10)  # calls come first
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    what, out, *more = sys.argv[1:]
    try:
        made = speak(sys.stdin.read(), Path(out)) if what == "speak" else take(Path(more[0]), Path(out))
    except SoundProblem as problem:
        print(problem, file=sys.stderr)
        _tell(problem=problem.code)
        return
    _tell(seconds=made)


if __name__ == "__main__":
    main()
