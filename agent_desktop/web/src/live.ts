/** Joins the socket to the stores: what each push means for the page. */
import { nextTick, watch } from 'vue'

import { PAGE } from './page'
import { closePushes, openPushes, probeSocket } from './push'
import { watchSleep } from './sleep'
import { ringReceived } from './stopwatch'
import { useAlarms } from './stores/alarms'
import { useClock } from './stores/clock'
import { useDesk } from './stores/desk'
import { useFloor } from './stores/floor'
import { useFocus } from './stores/focus'
import { useForm } from './stores/form'
import { useLine } from './stores/line'
import { useMessages } from './stores/messages'
import { useMissed } from './stores/missed'
import { useOnAir } from './stores/onAir'
import { usePlayer } from './stores/player'
import { usePop } from './stores/pop'
import { useSeat } from './stores/seat'
import { useSession } from './stores/session'
import { useSoftphone } from './stores/softphone'
import { useTold } from './stores/told'

/** Events that lists may want to hear: "something new is there". */
export const news = new EventTarget()

/** After a call Asterisk shows the seat free for a moment, until the cti has begun the after-call work. */
const READY_MS = 1_500
/** The ledger knows of an ended call within a second: then today's figures are fetched. */
const LEDGER_MS = 2_000

let following: (() => void)[] = []
let tidying: ReturnType<typeof setTimeout> | undefined
let counting: ReturnType<typeof setTimeout> | undefined

/** Pop and form follow the call at the seat, whichever way the page learnt of it. */
function followCall(): void {
  const seat = useSeat()
  following = [
    watch(
      () => seat.call,
      (call, before) => {
        if (seat.loaded) useDesk().follow(call, useClock().now)
        if (seat.loaded) useMissed().follow(call)
        clearTimeout(counting)
        if (before && !call) counting = setTimeout(() => void seat.refresh(), LEDGER_MS)
      },
    ),
    watch(
      () => seat.word,
      (word, before) => {
        clearTimeout(tidying)
        // By now the citizen may have rated the call.
        if (before === 'after_call') void seat.refresh()
        if (word !== 'ready') return
        const inCall = before === 'talking' || before === 'holding'
        tidying = setTimeout(() => useDesk().tidy(), inCall ? READY_MS : 0)
      },
    ),
  ]
}

export function goLive(): void {
  const session = useSession()
  const seat = useSeat()
  openPushes({
    connected() {
      useLine().connected()
      news.dispatchEvent(new Event('roster'))
      useFloor().connected()
      useFocus().again()
      void useAlarms().load()
      void useMessages().load()
      void useOnAir().load()
      void useForm().flush()
      void useMissed()
        .count()
        .catch(() => undefined)
    },
    lost: () => useLine().lost(Date.now()),
    refused: () => void session.load().catch(() => undefined),
    snapshot(push) {
      session.takeLinks(push.links ?? {})
      if (session.isAgent) seat.takeSnapshot(push)
    },
    seat(push) {
      const { call } = push
      if (call?.state === 'ringing') {
        ringReceived(call.uid, call.event_at)
        usePop().show(call.uid)
      }
      seat.takePush(push)
    },
    link: (push) => session.takeLink(push),
    ticketSaved() {
      usePop().renew()
      news.dispatchEvent(new Event('tickets'))
    },
    missed(open) {
      useMissed().open = open
      news.dispatchEvent(new Event('missed'))
    },
    roster: (what) => news.dispatchEvent(new Event(what === 'now' ? 'roster-now' : 'roster')),
    announcements() {
      void useOnAir().load()
      news.dispatchEvent(new Event('announcements'))
    },
    message: (push) => void useMessages().take(push),
    forced(push) {
      if (push.verb === 'sign_out') news.dispatchEvent(new CustomEvent('signed-out', { detail: push }))
      else useTold().take(push)
    },
    watched: (modes) => (useTold().watched = modes),
    recordingKept: () => news.dispatchEvent(new Event('recordings')),
    phoneTaken: (page) => useSoftphone().phoneTaken(page),
    floorMap: (push) => useFloor().heardMap(push),
    floorBoard: (push) => useFloor().heardBoard(push),
    wall: (push) => useFloor().heardWall(push),
    alarms: (open) => useAlarms().take(open),
    floorFocus: (push) => useFocus().heard(push),
  })
  if (!session.isAgent) {
    following = [watchSleep(wokeUp)]
    return
  }
  followCall()
  if (session.telephone === 'browser') useSoftphone().start(PAGE)
  void seat.refresh().then(() => {
    useMissed().restore(seat.call)
    return nextTick(useDesk().restore)
  })
}

/** What the page shows after a sleep is old: ask now, and do not wait until the socket has noticed. */
function wokeUp(): void {
  useClock().tick()
  useFloor().awake()
  useFocus().again()
  void useAlarms().load()
  void probeSocket()
}

export function endLive(): void {
  useSoftphone().stop()
  closePushes()
  for (const stop of following) stop()
  following = []
  clearTimeout(tidying)
  clearTimeout(counting)
  useSeat().forget()
  usePop().clear()
  useForm().close()
  useDesk().forget()
  useMissed().forget()
  useMessages().forget()
  useOnAir().forget()
  useTold().forget()
  useFocus().close()
  useFloor().forget()
  useAlarms().forget()
  usePlayer().close()
}
