"""Map, board and wall: what is pushed, how often, to whom; and that snapshot + pushes == a fresh snapshot."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from desktop_parts import MOBILE, Browser, Cti, past_call, seat_fact
from sqlalchemy import select

from agent_desktop.app import Parts
from agent_desktop.boards import Boards
from agent_desktop.tiles import estimated_wait
from db.engine import open_engine
from db.models import AccessLog, AgentGroup, CallerNote, JournalEvent, JournalPosition, Ticket, User, now
from reports.interval import Tally
from tests.line import until

pytest_plugins = ["desktop_fixtures"]


@dataclass
class Screen:
    """A page in a room: lays pushes over its snapshot as the browser does."""

    heard: list[tuple[str, dict[str, Any], str | None]] = field(default_factory=list)

    def __call__(self, event: str, payload: Any, room: str | None) -> None:
        self.heard.append((event, payload, room))

    def pushes(self, event: str) -> list[dict[str, Any]]:
        return [payload for name, payload, _ in self.heard if name == event]


@pytest.fixture
def boards(parts: Parts, cti: Cti) -> Boards:
    """Read and quiet: nothing is noted that was not pushed."""
    made = parts.desk.boards
    made.look_at_ledger()
    for view in ("map", "board", "wall"):
        made.opened(view, "page")
    made.push_due(0.0)
    return made


@pytest.fixture
def screen(boards: Boards, monkeypatch: pytest.MonkeyPatch) -> Screen:
    heard = Screen()
    monkeypatch.setattr(boards, "_emit", heard)
    return heard


@pytest.fixture
def leader(cti: Cti, open_browser: Callable[[], Browser]) -> Browser:
    browser = open_browser()
    assert browser.log_in("leader01").status_code == 200
    return browser


def journal(parts: Parts, uid: str, event: str = "CALLENDED", agent: str | None = None) -> None:
    """One more line of the ledger's journal, as the copier commits it."""
    with parts.desk.sessions.begin() as session:
        place = session.get(JournalPosition, "pbx1")
        if place is None:
            place = JournalPosition(pbx="pbx1", file="f", offset=0, copied_at=now())
            session.add(place)
        line = JournalEvent(pbx="pbx1", file="f", offset=place.offset, at=now(), event=event, data=[])
        line.call_uid, line.agent = uid, agent
        session.add(line)
        place.offset += 1


# --- how often, and what -------------------------------------------------------------------------------


def test_the_first_change_goes_at_once_and_more_are_one_push_later(
    boards: Boards, cti: Cti, screen: Screen
) -> None:
    cti.seat("8001", agent="agent01", presence="ready", queues=["consultation"])
    boards.push_due(100.0)
    assert len(screen.pushes("floor_map")) == 1
    assert [tile["seat"] for tile in screen.pushes("floor_map")[0]["seats"]] == ["8001"]
    for reason in ("break", "meal", "meeting"):
        cti.seat("8001", presence="not_ready", reason=reason)
        boards.push_due(100.1)
    assert len(screen.pushes("floor_map")) == 1
    boards.push_due(100.25)
    last = screen.pushes("floor_map")[1]["seats"]
    assert [(tile["seat"], tile["reason_label"]) for tile in last] == [("8001", "会议")]
    assert [push["n"] for push in screen.pushes("floor_map")] == [2, 3]


def test_map_four_times_board_and_wall_twice_a_second_however_much_happens(
    boards: Boards, cti: Cti, screen: Screen
) -> None:
    for tick in range(100):
        at = 100 + tick / 50
        cti.seat("8001", agent="agent01", presence="ready" if tick % 2 else "not_ready", reason="break")
        boards.push_due(at)
    counted = {event: len(screen.pushes(event)) for event in ("floor_map", "floor_board", "wall")}
    assert counted == {"floor_map": 8, "floor_board": 4, "wall": 4}


def test_only_what_is_different_travels(boards: Boards, cti: Cti, screen: Screen) -> None:
    cti.seat("8001", agent="agent01", presence="ready", queues=["consultation"])
    boards.push_due(100.0)
    cti.seat("8001", agent="agent01", presence="ready", queues=["consultation"])
    boards.push_due(101.0)
    assert len(screen.pushes("floor_map")) == 1
    board = screen.pushes("floor_board")
    assert [[row["queue"] for row in push["queues"]] for push in board] == [["consultation"]]


def test_nothing_is_made_for_rooms_that_nobody_is_in(boards: Boards, cti: Cti, screen: Screen) -> None:
    boards.gone("page")
    cti.seat("8001", agent="agent01", presence="ready")
    assert boards.push_due(100.0) is None
    assert screen.heard == []
    boards.opened("map", "page")
    cti.seat("8002", agent="agent02", presence="ready")
    boards.push_due(101.0)
    assert len(screen.pushes("floor_map")) == 1


def test_snapshot_and_pushes_are_a_fresh_snapshot(
    boards: Boards, cti: Cti, screen: Screen, leader: Browser, parts: Parts
) -> None:
    first = leader.get("/api/floor").json
    tiles = {tile["seat"]: tile for tile in first["seats"]}
    rows = {row["queue"]: row for row in leader.get("/api/board").json["queues"]}
    steps: list[Callable[[], None]] = [
        lambda: cti.seat("8001", agent="agent01", presence="ready", queues=["consultation"]),
        lambda: cti.call(state="queue", seat=None, asked_at=1_500),
        lambda: cti.tell("queue", "consultation", {"queue": "consultation", "waiting": ["pbx1-1.1"]}),
        lambda: cti.call(state="ringing"),
        lambda: cti.seat("8001", activity="ringing", call="pbx1-1.1"),
        lambda: cti.seat("8001", activity="talking"),
        lambda: cti.tell("queue", "consultation", {"queue": "consultation", "waiting": []}),
        lambda: cti.call(state="talking", answered_at=7_000),
        lambda: cti.tell("watch", "leader01", watch("8001")),
        lambda: cti.tell("call", "pbx1-1.1", None),
        lambda: cti.seat("8001", activity="idle", presence="not_ready", reason="after_call", call=None),
        lambda: cti.tell("watch", "leader01", None),
        lambda: cti.tell("trunk", "pbx1", {"in_use": 7}),
    ]
    for number, step in enumerate(steps):
        step()
        boards.push_due(100 + number * 0.3)
    boards.push_due(200.0)
    numbers = [push["n"] for push in screen.pushes("floor_map")]
    assert numbers == list(range(first["n"] + 1, first["n"] + 1 + len(numbers)))
    for push in screen.pushes("floor_map"):
        tiles |= {tile["seat"]: tile for tile in push["seats"]}
    for push in screen.pushes("floor_board"):
        rows |= {row["queue"]: row for row in push["queues"]}
    fresh = leader.get("/api/floor").json
    assert list(tiles.values()) == fresh["seats"]
    assert list(rows.values()) == fresh["board"]["queues"]
    last = screen.pushes("floor_board")[-1]
    assert (last["total"], last["trunk"]) == (fresh["board"]["total"], {"in_use": 7, "limit": 60})


def watch(seat: str) -> dict[str, Any]:
    return {
        "id": "leader01",
        "by": "leader01",
        "seat": seat,
        "call": "pbx1-1.1",
        "mode": "whisper",
        "state": "on",
        "telephone": "browser",
        "follow": False,
        "since": 1,
        "began_at": 1,
    }


def test_the_page_is_told_without_anybody_asking(boards: Boards, cti: Cti, screen: Screen) -> None:
    """The two threads as the server runs them."""
    import threading

    stop = threading.Event()
    threads = [threading.Thread(target=run, args=(stop,)) for run in (boards.run_pushes, boards.run_ledger)]
    for thread in threads:
        thread.start()
    try:
        cti.seat("8001", agent="agent01", presence="ready", queues=["consultation"])
        until(lambda: screen.pushes("floor_map"), 5, "the tile is pushed")
        until(lambda: screen.pushes("floor_board"), 5, "the board is pushed")
    finally:
        stop.set()
        cti.tell("journal", "pbx1", {"lines": 1, "copied_at": 1})
        for thread in threads:
            thread.join(10)
    assert not any(thread.is_alive() for thread in threads)


# --- what they show ------------------------------------------------------------------------------------


def test_a_tile_says_who_sits_there_with_whom_and_since_when(
    boards: Boards, cti: Cti, parts: Parts, leader: Browser
) -> None:
    with parts.desk.sessions.begin() as session:
        session.add(AgentGroup(name="一组"))
        session.flush()
        agent = session.scalars(select(User).where(User.login == "agent01")).one()
        agent.group_id = 1
    boards.tables_changed()
    boards.look_at_ledger()
    cti.call(state="talking", answered_at=7_000, asked_at=1_500, recording="on")
    cti.seat("8001", agent="agent01", presence="ready", activity="talking", call="pbx1-1.1", since=7_000)
    cti.tell("watch", "leader01", watch("8001"))
    shown = leader.get("/api/floor")
    (tile, empty) = shown.json["seats"]
    assert (tile["agent_name"], tile["group_name"], tile["word"]) == ("姓名agent01", "一组", "talking")
    assert (tile["limit_ms"], tile["since"]) == (600_000, 7_000)
    assert tile["call"] == {
        "uid": "pbx1-1.1",
        "state": "talking",
        "kind": "inbound",
        "direction": "inbound",
        "queue": "consultation",
        "queue_label": "综合咨询",
        "path_labels": tile["call"]["path_labels"],
        "masked": "138****5678",
        "region": tile["call"]["region"],
        "asked_at": 1_500,
        "answered_at": 7_000,
        "recording": "on",
        "party_label": None,
    }
    assert tile["watched"] == [{"by": "leader01", "by_name": "姓名leader01", "mode": "whisper"}]
    assert (empty["agent"], empty["word"], empty["today"], empty["call"]) == (None, "signed_out", None, None)
    assert "13812345678" not in shown.text
    assert shown.json["groups"] == [{"id": 1, "name": "一组"}]
    assert shown.json["me"]["watch"]["mode"] == "whisper"


def test_the_board_says_who_waits_and_who_is_there(
    boards: Boards, cti: Cti, parts: Parts, leader: Browser
) -> None:
    with parts.desk.sessions.begin() as session:
        session.add(CallerNote(number=MOBILE, kind="care", note="听力不好", created_at=now()))
        session.add(past_call("pbx1-9.9", to_person_at=now() - timedelta(minutes=2), answered_at=now()))
    journal(parts, "pbx1-9.9")
    cti.seat("8001", agent="agent01", presence="not_ready", reason="meal", queues=["consultation"])
    cti.seat("8002", agent="agent02", presence="ready", queues=["consultation", "complaint"])
    cti.call(state="queue", seat=None, asked_at=1_500, priority=5)
    cti.tell("queue", "consultation", {"queue": "consultation", "waiting": ["pbx1-1.1"]})
    boards.look_at_ledger()
    board = leader.get("/api/board").json
    row = next(one for one in board["queues"] if one["queue"] == "consultation")
    (caller,) = row["waiting"]
    assert (caller["masked"], caller["asked_at"], caller["priority"], caller["position"]) == (
        "138****5678",
        1_500,
        5,
        1,
    )
    assert caller["caller_flag"] == "关怀提示"
    assert row["longest_asked_at"] == 1_500
    assert row["seats"] == {
        "ready": 1,
        "ringing": 0,
        "talking": 0,
        "holding": 0,
        "after_call": 0,
        "unreachable": 0,
        "signed_in": 2,
        "not_ready": {"就餐": 1},
    }
    assert row["windows"]["m5"]["answered"] == 1
    assert row["windows"]["m5"] == board["total"]["windows"]["h24"]
    assert board["version"] == {"pbx1": 1}
    assert (board["total"]["seats"]["signed_in"], board["wait_norm_seconds"]) == (2, 15)
    complaint = next(one for one in board["queues"] if one["queue"] == "complaint")
    assert (complaint["seats"]["ready"], complaint["estimated_wait_seconds"]) == (1, 0)
    assert "13812345678" not in str(board)


def test_the_wall_knows_how_long_they_wait_and_not_who_they_are(
    boards: Boards, cti: Cti, leader: Browser
) -> None:
    cti.call(state="queue", seat=None, asked_at=1_500)
    cti.tell("queue", "consultation", {"queue": "consultation", "waiting": ["pbx1-1.1"]})
    wall = leader.get("/api/wall").json
    assert wall["board"]["total"]["waiting"] == [{"asked_at": 1_500, "priority": 0}]
    assert "138" not in str(wall["board"]["queues"])
    assert len(wall["day"]["steps"]) == len(wall["day"]["forecast"]) == 96
    assert {len(values) for values in wall["day"].values()} == {96}
    assert (wall["city"], wall["notice"]) == ("云州市", None)


@pytest.mark.parametrize(
    ("waiting", "states", "expected"),
    [
        (0, {"ready": 1}, 0),
        (0, {"talking": 2}, 55),
        (3, {"talking": 2, "ready": 2}, 110),
        (3, {"not_ready": {"小休": 4}}, None),
    ],
    ids=["a seat is free", "the next that ends", "a queue", "nobody serves"],
)
def test_the_estimated_wait(waiting: int, states: dict[str, Any], expected: int | None) -> None:
    seats = {name: states.get(name, 0) for name in ("ready", "ringing", "talking", "holding", "after_call")}
    assert estimated_wait(waiting, seats, Tally(talks=2, talk_ms=180_000), wrapup_seconds=20) == expected


# --- blind, and without a database ----------------------------------------------------------------------


def test_a_lost_link_is_told_with_its_time(boards: Boards, cti: Cti, screen: Screen, leader: Browser) -> None:
    cti.disconnect()
    boards.push_due(100.0)
    since = screen.pushes("floor_map")[0]["blind"]["pbx1"]
    assert isinstance(since, int)
    assert screen.pushes("floor_board")[0]["blind"] == {"pbx1": since}
    assert leader.get("/api/board").json["blind"] == {"pbx1": since}
    cti.connect()
    boards.push_due(101.0)
    assert screen.pushes("floor_map")[1]["blind"] == {"pbx1": None}


@pytest.mark.parametrize("view", ["map", "board", "wall"])
def test_who_came_while_it_was_blind_is_told_that_all_is_as_before(
    boards: Boards, cti: Cti, screen: Screen, leader: Browser, view: str
) -> None:
    boards.push_due(100.0)
    cti.disconnect()
    snapshot = leader.get({"map": "/api/floor"}.get(view, f"/api/{view}")).json
    assert snapshot.get("board", snapshot)["blind"]["pbx1"]
    cti.connect()
    boards.push_due(101.0)
    last = screen.pushes({"wall": "wall"}.get(view, f"floor_{view}"))[-1]
    assert last.get("board", last)["blind"] == {"pbx1": None}
    assert last["n"] == snapshot["n"] + 1


def test_without_a_database_the_last_figures_stay_and_say_since_when(
    boards: Boards, cti: Cti, parts: Parts, screen: Screen
) -> None:
    good = parts.desk.sessions.kw["bind"]
    before = boards.board()
    away = open_engine("sqlite:////nowhere/hotline.db")
    parts.desk.sessions.configure(bind=away)
    try:
        boards.look_at_ledger()
        cti.seat("8001", agent="agent01", presence="ready", queues=["consultation"])
        boards.push_due(100.0)
    finally:
        parts.desk.sessions.configure(bind=good)
        away.dispose()
    pushed = screen.pushes("floor_board")[0]
    assert isinstance(pushed["figures_since"], int)
    assert pushed["total"]["windows"] == before["total"]["windows"]
    assert screen.pushes("floor_map")[0]["seats"][0]["word"] == "ready"
    boards.look_at_ledger()
    assert boards.board()["figures_since"] is None


# --- focus ---------------------------------------------------------------------------------------------


def test_a_call_in_focus_shows_way_pop_and_draft_and_is_noted_once(
    boards: Boards, cti: Cti, parts: Parts, leader: Browser, open_browser: Callable[[], Browser]
) -> None:
    agent = open_browser()
    agent.log_in("agent01", "8001")
    cti.call(state="talking", answered_at=7_000)
    cti.seat("8001", activity="talking", call="pbx1-1.1")
    journal(parts, "pbx1-1.1", "TOPERSON")
    agent.send("PUT", "/api/calls/pbx1-1.1/draft", {"body": {"title": "停水"}})
    for _ in range(3):
        seen = leader.get("/api/floor/calls/pbx1-1.1")
    assert seen.status_code == 200, seen.json
    assert seen.json["ticket"]["draft"]["body"] == {"title": "停水"}
    assert seen.json["ticket"]["draft"]["by_name"] == "姓名agent01"
    assert seen.json["pop"]["draft"]["body"] == {"title": "停水"}
    assert [step["kind"] for step in seen.json["path"]] == ["to_person"]
    assert seen.json["call"]["number"]["masked"] == "138****5678"
    assert "13812345678" not in seen.text
    with parts.desk.sessions() as session:
        looks = session.scalars(select(AccessLog.object).where(AccessLog.action == "focus")).all()
    assert looks == ["call pbx1-1.1"]


def test_a_ticket_of_the_call_is_seen_when_it_is_saved(
    boards: Boards, parts: Parts, leader: Browser, open_browser: Callable[[], Browser]
) -> None:
    with parts.desk.sessions.begin() as session:
        session.add(past_call("pbx1-7.7"))
        session.add(
            Ticket(
                number="2611210000018",
                state="pre_review",
                request_type="help",
                title="停水",
                call_uid="pbx1-7.7",
                created_by=1,
            )
        )
    seen = leader.get("/api/floor/calls/pbx1-7.7").json
    assert [row["title"] for row in seen["ticket"]["saved"]] == ["停水"]
    assert seen["call"] is None


def test_whoever_has_a_seat_in_focus_is_told_what_to_fetch(
    boards: Boards, cti: Cti, parts: Parts, screen: Screen, open_browser: Callable[[], Browser]
) -> None:
    agent = open_browser()
    agent.log_in("agent01", "8001")
    boards.focus_opened("8001", "page")
    cti.call(state="talking", answered_at=7_000)
    cti.seat("8001", activity="talking", call="pbx1-1.1")
    boards.push_due(100.0)
    agent.send("PUT", "/api/calls/pbx1-1.1/draft", {"body": {"title": "停水"}})
    journal(parts, "pbx1-1.1", "HELD")
    with parts.desk.sessions.begin() as session:
        session.add(past_call("pbx1-1.1", outcome=None, talk_ms=None))
    boards.look_at_ledger()
    boards.push_due(101.0)
    told = [(push["seat"], push["uid"], push["what"]) for push in screen.pushes("floor_focus")]
    assert told[0] == ("8001", "pbx1-1.1", "call")
    assert {what for _, _, what in told} == {"call", "ticket", "path"}
    assert {room for event, _, room in screen.heard if event == "floor_focus"} == {"focus:8001"}
    screen.heard.clear()
    boards.focus_closed("page")
    cti.call(state="holding", answered_at=7_000)
    boards.push_due(102.0)
    assert screen.pushes("floor_focus") == []


def test_a_seat_in_focus_has_its_states_of_today(
    boards: Boards, cti: Cti, parts: Parts, leader: Browser
) -> None:
    assert leader.get("/api/floor/seats/8001").json["history"] == []
    assert leader.get("/api/floor/seats/9999").status_code == 404
    cti.seat("8001", agent="agent01", presence="ready")
    journal(parts, "", "UNPAUSE", "agent01")
    until(
        lambda: leader.get("/api/floor/seats/8001").json["history"], 2, "the state has lasted a millisecond"
    )
    seen = leader.get("/api/floor/seats/8001").json
    assert seen["tile"]["agent"] == "agent01"
    assert [(one["state"], one["ms"]) for one in seen["history"]] == [("ready", None)]


# --- layout and figures ----------------------------------------------------------------------------------


def test_the_layout_is_kept_and_shown_to_everybody(boards: Boards, leader: Browser) -> None:
    places = [
        {"seat": "8001", "room": "一号大厅", "column": 2, "row": 1},
        {"seat": "8002", "room": "一号大厅", "column": 3, "row": 1},
    ]
    assert leader.send("PUT", "/api/floor/layout", {"places": places}).json == {"places": places}
    boards.look_at_ledger()
    seen = leader.get("/api/floor").json
    assert [(tile["room"], tile["column"], tile["row"]) for tile in seen["seats"]] == [
        ("一号大厅", 2, 1),
        ("一号大厅", 3, 1),
    ]
    assert seen["rooms"] == ["一号大厅"]
    gone = [{"seat": "8002", "room": None, "column": None, "row": None}]
    assert leader.send("PUT", "/api/floor/layout", {"places": gone}).json == {"places": places[:1]}
    unknown = [{"seat": "7777", "room": "x", "column": 1, "row": 1}]
    assert leader.send("PUT", "/api/floor/layout", {"places": unknown}).status_code == 422


def test_the_report_of_an_interval_says_of_which_version_it_is(parts: Parts, leader: Browser) -> None:
    at = now()
    with parts.desk.sessions.begin() as session:
        session.add(past_call("pbx1-8.8", to_person_at=at, answered_at=at, wait_ms=3_000))
        session.add(past_call("pbx1-8.9", to_person_at=at, outcome="short_abandon", wait_ms=900, agent=None))
    journal(parts, "pbx1-8.8")
    ms = int(at.timestamp() * 1000)
    seen = leader.get(f"/api/reports/interval?from={ms - 5}&to={ms + 5}&queue=consultation").json
    assert seen["version"] == {"pbx1": 1}
    assert (seen["from"], seen["to"]) == (ms - 5, ms + 5)
    assert (seen["figures"]["answered"], seen["figures"]["short_abandons"]) == (1, 1)
    assert seen["figures"]["answer_rate"] == 0.5
    assert leader.get(f"/api/reports/interval?from={ms}&to={ms}").status_code == 422
    assert leader.get("/api/reports/interval?from=1").status_code == 422
    names = {one["code"]: one for one in leader.get("/api/definitions").json}
    assert names["queue_answer_rate"]["denominator"]


# --- who may hear it --------------------------------------------------------------------------------------


@pytest.fixture
def socket_of(parts: Parts, cti: Cti) -> Iterator[Callable[[str], Any]]:
    opened: list[Any] = []

    def connect(login: str) -> Any:
        browser = Browser(parts.app.test_client())
        browser.log_in(login, "8001" if login == "agent01" else None)
        opened.append(parts.socketio.test_client(parts.app, flask_test_client=browser.client))
        return opened[-1]

    yield connect
    for client in opened:
        if client.is_connected():
            client.disconnect()


def ask(client: Any, event: str, body: dict[str, Any]) -> Any:
    return client.emit(event, body, callback=True)


def test_leaders_open_views_and_others_are_refused_at_the_event(
    parts: Parts, cti: Cti, socket_of: Callable[[str], Any]
) -> None:
    for login in ("leader01", "supervisor01", "admin"):
        page = socket_of(login)
        assert {tile["seat"] for tile in ask(page, "floor_open", {"view": "map"})["seats"]} == {
            "8001",
            "8002",
        }
        assert ask(page, "floor_open", {"view": "board"})["queues"]
        assert ask(page, "floor_open", {"view": "wall"})["day"]
        assert ask(page, "focus_open", {"seat": "8001"}) == {"seat": "8001"}
    for login in ("agent01", "inspector01", "dispatcher01"):
        page = socket_of(login)
        for event, body in (("floor_open", {"view": "map"}), ("focus_open", {"seat": "8001"})):
            assert ask(page, event, body)["status"] == 403
    assert ask(socket_of("leader01"), "floor_open", {"view": "../map"})["status"] == 404
    assert ask(socket_of("leader01"), "floor_open", {})["status"] == 404
    assert ask(socket_of("leader01"), "focus_open", {"seat": "9999"})["status"] == 404


def test_a_push_reaches_those_who_opened_the_view_and_nobody_else(
    parts: Parts, cti: Cti, socket_of: Callable[[str], Any]
) -> None:
    looks, other, agent = socket_of("leader01"), socket_of("supervisor01"), socket_of("agent01")
    ask(looks, "floor_open", {"view": "map"})
    parts.desk.boards.push_due(50.0)
    for client in (looks, other, agent):
        client.get_received()
    cti.seat("8002", **{k: v for k, v in seat_fact("8002").items() if k != "seat"} | {"agent": "agent02"})
    parts.desk.boards.push_due(100.0)
    assert [one["name"] for one in looks.get_received()] == ["floor_map"]
    assert other.get_received() == agent.get_received() == []
    looks.emit("floor_close", {"view": "map"})
    cti.seat("8002", presence="ready")
    parts.desk.boards.push_due(101.0)
    assert looks.get_received() == []


def test_who_is_no_leader_any_more_hears_nothing_after_the_next_sign_of_life(
    parts: Parts, cti: Cti, socket_of: Callable[[str], Any]
) -> None:
    page = socket_of("leader01")
    ask(page, "floor_open", {"view": "map"})
    with parts.desk.sessions.begin() as session:
        session.scalars(select(User).where(User.login == "leader01")).one().role = "inspector"
    parts.desk.people._known.clear()
    ask(page, "ping_screen", {})
    page.get_received()
    cti.seat("8002", presence="ready", agent="agent02")
    parts.desk.boards.push_due(100.0)
    assert page.get_received() == []
