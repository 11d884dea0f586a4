/** Joins the socket to the stores: what each push means for the page. */
import { nextTick, watch } from 'vue'

import { closePushes, openPushes } from './push'
import { ringReceived } from './stopwatch'
import { useClock } from './stores/clock'
import { useDesk } from './stores/desk'
import { useForm } from './stores/form'
import { useLine } from './stores/line'
import { usePlayer } from './stores/player'
import { usePop } from './stores/pop'
import { useSeat } from './stores/seat'
import { useSession } from './stores/session'

/** Events that lists may want to hear: "something new is there". */
export const news = new EventTarget()

let following: (() => void)[] = []

/** Pop and form follow the call at the seat, whichever way the page learnt of it. */
function followCall(): void {
  const seat = useSeat()
  following = [
    watch(
      () => seat.call,
      (call) => seat.loaded && useDesk().follow(call, useClock().now),
    ),
    watch(
      () => seat.word,
      (word) => word === 'ready' && useDesk().tidy(),
    ),
  ]
}

export function goLive(): void {
  const session = useSession()
  const seat = useSeat()
  openPushes({
    connected() {
      useLine().connected()
      void useForm().flush()
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
    recordingKept: () => news.dispatchEvent(new Event('recordings')),
  })
  if (!session.isAgent) return
  followCall()
  void seat.refresh().then(() => nextTick(useDesk().restore))
}

export function endLive(): void {
  closePushes()
  for (const stop of following) stop()
  following = []
  useSeat().forget()
  usePop().clear()
  useForm().close()
  useDesk().forget()
  usePlayer().close()
}
