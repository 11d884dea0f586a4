"""The menu path is shown in the words of the prompts."""

from __future__ import annotations

import ivr.menu
from agent_desktop.app import MENU_FILE
from agent_desktop.menu_words import spoken_choices, steps


def test_a_prompt_says_what_its_keys_mean() -> None:
    assert spoken_choices("投诉请按一，举报请按二，返回请按星号键，人工服务请按零。") == {
        "1": "投诉",
        "2": "举报",
        "*": "返回",
        "0": "人工服务",
    }


def test_the_shipped_menu_has_words_for_every_key() -> None:
    from ivr import prompts

    menu, problems = ivr.menu.load(MENU_FILE)
    found = steps(menu, {text.id: text.words for text in prompts.texts()})
    keys = {(n.name, key) for n in menu.nodes.values() if isinstance(n, ivr.menu.MenuNode) for key in n.keys}
    assert not problems
    assert found.keys() == keys


def test_a_menu_without_such_sentences_has_no_words() -> None:
    menu, _ = ivr.menu.load(MENU_FILE)
    assert steps(menu, {}) == {}
