/**
 * How good the call sounds, from what getStats says. Pure.
 * Limits: one-way delay by ITU-T G.114 (150 ms is unnoticed, 400 ms is too much; twice that for there and back);
 * loss and jitter as far as the concealment and the jitter buffer of WebRTC hide them.
 */
export type QualityLevel = 'good' | 'fair' | 'bad'

export interface Quality {
  level: QualityLevel
  /** Percent of the packets of the last interval that did not arrive, the worse of both directions. */
  loss: number
  jitterMs: number
  /** null until the other side has reported. */
  roundTripMs: number | null
}
/** One look at the line: counts since its beginning. */
export interface Look {
  received: number
  lost: number
  /** Share 0..1 of our packets that the other side missed lately. */
  lostThere: number
  jitterMs: number
  roundTripMs: number | null
}

const FAIR = { loss: 2, jitterMs: 30, roundTripMs: 300 }
const BAD = { loss: 6, jitterMs: 60, roundTripMs: 800 }

/** What matters of a stats report; null when no sound has been received yet. */
export function look(reports: Iterable<Record<string, unknown>>): Look | null {
  const all = [...reports]
  const coming = all.find((one) => one.type === 'inbound-rtp' && one.kind === 'audio')
  if (!coming) return null
  const there = all.find((one) => one.type === 'remote-inbound-rtp' && one.kind === 'audio')
  const path = all.find((one) => one.type === 'candidate-pair' && one.nominated && one.state === 'succeeded')
  const roundTrip = there?.roundTripTime ?? path?.currentRoundTripTime
  return {
    received: Number(coming.packetsReceived ?? 0),
    lost: Number(coming.packetsLost ?? 0),
    lostThere: Number(there?.fractionLost ?? 0),
    jitterMs: Math.round(Number(coming.jitter ?? 0) * 1000),
    roundTripMs: roundTrip === undefined ? null : Math.round(Number(roundTrip) * 1000),
  }
}

/** The quality between two looks. Nothing received at all is as bad as it gets, unless the call is held. */
export function judge(before: Look | null, now: Look, held = false): Quality {
  const received = now.received - (before?.received ?? 0)
  const lost = Math.max(0, now.lost - (before?.lost ?? 0))
  const silent = before !== null && received + lost <= 0 && !held
  const here = silent ? 100 : (100 * lost) / Math.max(1, received + lost)
  const loss = Math.round(10 * Math.max(here, 100 * now.lostThere)) / 10
  const { jitterMs, roundTripMs } = now
  const beyond = (limit: typeof FAIR) =>
    loss > limit.loss || jitterMs > limit.jitterMs || (roundTripMs ?? 0) > limit.roundTripMs
  return { level: beyond(BAD) ? 'bad' : beyond(FAIR) ? 'fair' : 'good', loss, jitterMs, roundTripMs }
}
