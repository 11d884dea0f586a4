"""What each key of the voice menu means, in the words that the citizen heard. Pure.

The prompts say it themselves ("咨询请按一，投诉举报请按二"), so nothing has to be kept twice.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from ivr.menu import Menu, MenuNode

SPOKEN_KEYS = dict(zip("零一二三四五六七八九", "0123456789", strict=True)) | {"星号": "*", "井号": "#"}
_CHOICE = re.compile(r"([^，。；、]+?)请按([零一二三四五六七八九]|星号|井号)")


def spoken_choices(text: str) -> dict[str, str]:
    """{"1": "咨询", ...} of a prompt's text."""
    return {SPOKEN_KEYS[key]: words.strip() for words, key in _CHOICE.findall(text)}


def steps(menu: Menu, texts: Mapping[str, str]) -> dict[tuple[str, str], str]:
    """{(node, key): words} of the whole menu; `texts` maps the id of a prompt to its words.

    A key that no prompt explains is left out.
    """
    found: dict[tuple[str, str], str] = {}
    for node in menu.nodes.values():
        if isinstance(node, MenuNode):
            for prompt in node.say:
                choices = spoken_choices(texts.get(prompt.id, ""))
                found |= {(node.name, key): words for key, words in choices.items() if key in node.keys}
    return found
