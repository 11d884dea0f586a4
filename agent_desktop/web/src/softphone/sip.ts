/**
 * SIP over WebSocket, and the only file that knows JsSIP. No Vue and no devices: streams go in and come out.
 *
 *   connecting ──► registered ──► (socket gone) ──► connecting …        `SipPhone`, for one account
 *                      └─ refused: new credentials ─► renew()
 *   ringing ──► answering ──► talking ──► ended                         `SipCall`, one call
 */
import { C, UA, WebSocketInterface } from 'jssip'
import type { IncomingRTCSessionEvent, OutgoingRTCSessionEvent } from 'jssip/lib/UA'
import type { EndEvent, RTCSession } from 'jssip/lib/RTCSession'
import type { IncomingRequest } from 'jssip/lib/SIPMessage'

/** Why the PBX calls this page: the queue rings, our own dialling, a citizen given back, a colleague, supervision. */
export type Purpose = 'ring' | 'dial' | 'back' | 'consult' | 'transfer' | 'watch'
export type CallStage = 'ringing' | 'answering' | 'talking' | 'ended'
/** Who ended it: this page, the other side, lost sound, or the PBX that no longer knows the call. */
export type EndedBy = 'us' | 'them' | 'media' | 'pbx'

export interface Account {
  uri: string
  user: string
  password: string
  ws: string
  ice: RTCIceServer[]
  /** false: may call, is not called (a citizen's page). */
  register?: boolean
}
export interface PhoneListener {
  registered(): void
  /** The socket or the registration is gone. The socket is tried again for ever, without being asked. */
  lost(): void
  /** The registrar does not take these credentials (0: no answer). Ask for others and `renew`. */
  refused(status: number): void
  /** A call comes in. `busy` ones have been refused already and are not told. */
  rings(call: SipCall): void
}
export interface CallListener {
  stage(stage: CallStage): void
  held(held: boolean): void
  /** What the other side says. May come again after a change of the session. */
  sound(stream: MediaStream): void
  /** No sound gets through for some seconds now (true), or it does again. */
  away?(away: boolean): void
  ended(by: EndedBy): void
}

/** Tells the PBX that the telephone vanished, so that the citizen is not taken for served. */
export const PAGE_GONE = 'Q.850;cause=44;text="page gone"'
const MEDIA_LOST = 'Q.850;cause=44;text="media lost"'

const PURPOSES: readonly string[] = ['ring', 'dial', 'back', 'consult', 'transfer', 'watch']
/** The other side hung up because it had lost us: only the PBX gives this reason, when no sound came. */
const LOST_THERE = /cause=44\b/
/** So long may the sound be away before the call is given up; the PBX has the same limit (rtp_timeout). */
const MEDIA_LIMIT_MS = 10_000
/** Sound and socket both away: the PBX is gone, not the network, which closes no sockets. */
const BOTH_LIMIT_MS = 4_000
/** Candidates of the own machine are there at once; waiting for every STUN server would delay the answer. */
const GATHER_MS = 250
/** Without servers what comes later is TCP, which the PBX does not speak: 0.1 s of each answer. */
const GATHER_OWN_MS = 20
/** The PBX asks every registered page every few seconds whether it is there. So long without a word: ask back. */
const SILENT_MS = 12_000
const LOOK_MS = 3_000

export class SipCall {
  readonly id: string
  readonly purpose: Purpose
  readonly remote: string
  stage: CallStage = 'ringing'
  muted = false
  held = false
  listener: CallListener | null = null
  private away: ReturnType<typeof setTimeout> | undefined
  private lostMedia = false

  constructor(
    private readonly session: RTCSession,
    purpose: string,
    private readonly ice: RTCIceServer[],
    private readonly hasSocket: () => boolean,
  ) {
    this.id = session.id
    this.purpose = (PURPOSES.includes(purpose) ? purpose : 'ring') as Purpose
    this.remote = session.remote_identity?.uri?.user ?? ''
    if (session.connection) this.follow(session.connection)
    else session.on('peerconnection', ({ peerconnection }) => this.follow(peerconnection))
    session.on('accepted', () => this.enter('answering'))
    session.on('confirmed', () => this.enter('talking'))
    session.on('ended', (end) => this.finish(end))
    session.on('failed', (end) => this.finish(end))
    let gathering: ReturnType<typeof setTimeout> | undefined
    const limit = ice.length ? GATHER_MS : GATHER_OWN_MS
    session.on('icecandidate', ({ ready }) => (gathering ??= setTimeout(ready, limit)))
  }

  /** Take the call with this microphone. Nothing happens when it is gone already. */
  answer(microphone: MediaStream): void {
    if (this.stage !== 'ringing') return
    this.enter('answering')
    this.session.answer({ mediaStream: microphone, pcConfig: { iceServers: this.ice } })
  }
  /** Refuse a call that rings, or end one that is up. `reason` goes into the header Reason. */
  hangUp(reason?: string): void {
    if (this.session.isEnded()) return
    const extraHeaders = reason ? [`Reason: ${reason}`] : []
    if (this.session.isEstablished()) this.session.terminate({ extraHeaders })
    else this.session.terminate({ extraHeaders, status_code: reason ? 480 : 486 })
  }
  /** true when the PBX has been asked; `listener.held` follows when it has agreed. */
  hold(): boolean {
    return this.session.hold({}, () => this.takeHeld(true))
  }
  resume(): boolean {
    return this.session.unhold({}, () => this.takeHeld(false))
  }
  /** Silence goes out instead of the microphone; holding and resuming does not change it. */
  mute(muted: boolean): void {
    this.muted = muted
    if (muted) this.session.mute({ audio: true })
    else this.session.unmute({ audio: true })
  }
  /** One or more of 0-9 * # as RFC 4733. false when the line cannot carry them now. */
  sendDigit(digits: string): boolean {
    try {
      this.session.sendDTMF(digits, { transportType: C.DTMF_TRANSPORT.RFC2833, duration: 160 })
      return true
    } catch {
      return false
    }
  }
  /** Another microphone, without a word to the PBX. */
  async replaceMicrophone(track: MediaStreamTrack): Promise<void> {
    track.enabled = !this.muted && !this.held
    const sender = this.session.connection?.getSenders().find((one) => one.track?.kind === 'audio')
    await sender?.replaceTrack(track)
  }
  stats(): Promise<RTCStatsReport> | null {
    const line = this.session.connection
    return line && line.connectionState === 'connected' ? line.getStats() : null
  }
  /**
   * After a new socket: ask the PBX whether it still has this call, and tell it the new address of this page. Sound
   * that is away looks for another way (the laptop has changed its network).
   */
  verify(): void {
    if (!this.session.isEstablished()) return
    const iceRestart = this.away !== undefined
    this.session.renegotiate({ rtcOfferConstraints: { iceRestart } })
  }
  /** The socket is away as well. */
  doubt(): void {
    if (this.away === undefined) return
    clearTimeout(this.away)
    this.away = setTimeout(() => this.giveUp(), BOTH_LIMIT_MS)
  }

  private enter(stage: CallStage): void {
    if (this.stage === stage || this.stage === 'ended' || (this.stage === 'talking' && stage === 'answering'))
      return
    this.stage = stage
    this.listener?.stage(stage)
  }
  private takeHeld(held: boolean): void {
    this.held = held
    this.listener?.held(held)
  }
  private finish(end: EndEvent): void {
    clearTimeout(this.away)
    if (this.stage === 'ended') return
    this.enter('ended')
    const reason = (end.message as IncomingRequest | null)?.getHeader?.('Reason') ?? ''
    if ((end.originator as string) === 'remote' && LOST_THERE.test(reason)) this.lostMedia = true
    const ours = (end.originator as string) === 'local'
    const gone = end.cause === C.causes.DIALOG_ERROR || end.cause === C.causes.REQUEST_TIMEOUT
    this.listener?.ended(this.lostMedia ? 'media' : gone ? 'pbx' : ours ? 'us' : 'them')
  }
  private follow(line: RTCPeerConnection): void {
    line.addEventListener('track', ({ streams, track }) =>
      this.listener?.sound(streams[0] ?? new MediaStream([track])),
    )
    const look = (event: Event) => {
      const ice = line.iceConnectionState
      if (ice === 'failed' || line.connectionState === 'failed') {
        // JsSIP would end it too, with a reason that the PBX takes for an ordinary hang-up.
        event.stopImmediatePropagation()
        this.giveUp()
      } else if (ice === 'disconnected') {
        const limit = this.hasSocket() ? MEDIA_LIMIT_MS : BOTH_LIMIT_MS
        this.away ??= setTimeout(() => this.giveUp(), limit)
        this.listener?.away?.(true)
      } else {
        clearTimeout(this.away)
        this.away = undefined
        this.listener?.away?.(false)
      }
    }
    line.addEventListener('iceconnectionstatechange', look, { capture: true })
    line.addEventListener('connectionstatechange', look, { capture: true })
  }
  private giveUp(): void {
    if (this.session.isEnded()) return
    this.lostMedia = true
    this.hangUp(MEDIA_LOST)
  }
}

export class SipPhone {
  /** The one call of this telephone; a second one is refused as busy. */
  call: SipCall | null = null
  private readonly ua: UA
  private readonly socket: WebSocketInterface
  private readonly looking: ReturnType<typeof setInterval>
  private heardAt = 0
  /** The PBX asks on this socket whether we are there: only then does silence mean anything. */
  private asked = false
  private doubted = false
  private stopped = false

  constructor(
    private readonly account: Account,
    private readonly listener: PhoneListener,
  ) {
    this.socket = this.openSocket(account.ws)
    this.ua = new UA({
      sockets: [this.socket],
      uri: account.uri,
      authorization_user: account.user,
      password: account.password,
      register: account.register !== false,
      register_expires: 120,
      // The PBX keeps the session timer and gives up a call without sound; a page must not end calls by the clock.
      session_timers: false,
      no_answer_timeout: 180,
      connection_recovery_min_interval: 1,
      connection_recovery_max_interval: 3,
      user_agent: 'hotline-desk',
    })
    this.ua.on('registered', () => {
      listener.registered()
      this.call?.verify()
    })
    this.ua.on('unregistered', () => this.stopped || listener.lost())
    this.ua.on('disconnected', () => {
      if (this.stopped) return
      listener.lost()
      this.call?.doubt()
    })
    this.ua.on('registrationFailed', ({ response }) => {
      // Without an answer the socket is away, and comes back by itself.
      if (!this.stopped && (response || this.ua.isConnected())) listener.refused(response?.status_code ?? 0)
    })
    this.ua.on('newOptions', () => (this.asked = true))
    this.ua.on('newRTCSession', (event: IncomingRTCSessionEvent | OutgoingRTCSessionEvent) =>
      this.takeSession(event),
    )
    this.looking = setInterval(() => this.look(), LOOK_MS)
  }

  start(): void {
    this.ua.start()
  }
  /** Withdraw the registration and close; a call that is up ends with `reason`. */
  stop(reason?: string): void {
    if (this.stopped) return
    this.stopped = true
    clearInterval(this.looking)
    this.call?.hangUp(reason)
    this.ua.stop()
  }
  /** Register with a new password; the account is the same. */
  renew(password: string): void {
    this.ua.set('password', password)
    this.ua.register()
  }
  /** Whether `account` is another password for the same telephone. */
  isFor(account: Account): boolean {
    return account.uri === this.account.uri && account.ws === this.account.ws
  }
  /** The machine woke up or the network came back: find out now whether the socket still lives. */
  nudge(): void {
    if (!this.ua.isConnected()) return
    this.heardAt = 0
    this.asked = true
    this.look()
  }
  /** Call a number (a citizen's page; agents' pages are called by the PBX). */
  dial(number: string, microphone: MediaStream, listener: CallListener): SipCall {
    this.ua.call(number, { mediaStream: microphone, pcConfig: { iceServers: this.account.ice } })
    const call = this.call!
    call.listener = listener
    return call
  }

  private takeSession({ session, request, originator }: IncomingRTCSessionEvent | OutgoingRTCSessionEvent) {
    if (this.call && this.call.stage !== 'ended') {
      session.terminate({ status_code: 486 })
      return
    }
    const call = new SipCall(session, request.getHeader('X-Hotline') ?? '', this.account.ice, () =>
      this.ua.isConnected(),
    )
    this.call = call
    const forget = () => this.call === call && (this.call = null)
    session.on('ended', forget)
    session.on('failed', forget)
    if ((originator as string) === 'remote') this.listener.rings(call)
  }
  private openSocket(address: string): WebSocketInterface {
    const socket = new WebSocketInterface(address)
    let take: (data: unknown) => void = () => undefined
    const hear = (data: unknown) => {
      this.heardAt = Date.now()
      this.doubted = false
      take(data)
    }
    Object.defineProperty(socket, 'ondata', { get: () => hear, set: (then) => (take = then) })
    return socket
  }
  /** A socket can be dead without knowing it (lid closed, cable out): ask once, then open another. */
  private look(): void {
    if (!this.ua.isConnected()) {
      this.asked = this.doubted = false
      return
    }
    if (!this.asked || Date.now() - this.heardAt < SILENT_MS) return
    if (!this.doubted) {
      this.doubted = true
      this.ua.register()
      return
    }
    this.asked = this.doubted = false
    this.socket.disconnect()
    this.socket.ondisconnect(true, 1006, 'silent')
  }
}
