/**
 * A citizen's telephone for demonstrations: it calls 12345 over WebRTC, and nothing else.
 *
 *   idle ─ call ─► calling ─ answered ─► talking ─ hang-up, from either side ─► ended ─ call ─► calling
 */
import './citizen.css'

import { Microphone } from '../softphone/microphone'
import { PAGE_GONE, SipPhone, type SipCall } from '../softphone/sip'
import { Speaker } from '../softphone/speaker'
import { Visit } from './visit'
import {
  clock,
  ENDINGS,
  KEYS,
  keyLabel,
  keyTestId,
  OWN_NUMBER,
  PROBLEMS,
  STATES,
  type CitizenState,
} from './words'

/** No telephone after so long: the citizen is told instead of being left waiting. */
const CONNECT_MS = 10_000

const element = <T extends HTMLElement = HTMLElement>(id: string) => document.getElementById(id) as T
const number = element<HTMLInputElement>('number')
const callButton = element<HTMLButtonElement>('call')
const hangUpButton = element<HTMLButtonElement>('hang-up')

let visit: Visit | null = null
let phone: SipPhone | null = null
let call: SipCall | null = null
let microphone: Microphone | null = null
let state: CitizenState = 'idle'
let talkingSince = 0
let ticking: ReturnType<typeof setInterval> | undefined
let connecting: ReturnType<typeof setTimeout> | undefined
const speaker = new Speaker((blocked) => notice(blocked ? PROBLEMS.blocked : ''))

function show(next: CitizenState, words = STATES[next]): void {
  state = next
  const line = element('state')
  line.dataset.state = next
  line.textContent = words
  const busy = next === 'calling' || next === 'talking'
  callButton.disabled = number.disabled = busy
  hangUpButton.disabled = !busy
  for (const key of element('keys').querySelectorAll('button')) key.disabled = next !== 'talking'
}
function notice(words: string): void {
  const line = element('notice')
  line.textContent = words
  line.hidden = !words
}
const tell = () => (element('time').textContent = clock(Date.now() - talkingSince))

async function begin(): Promise<void> {
  if (state === 'calling' || state === 'talking') return
  const own = number.value.trim()
  notice('')
  if (!OWN_NUMBER.test(own)) {
    notice(PROBLEMS.number)
    number.focus()
    return
  }
  show('calling')
  element('time').textContent = ''
  try {
    visit = await Visit.begin()
  } catch (error) {
    finish((error instanceof Error && error.message) || PROBLEMS.offline)
    return
  }
  microphone = new Microphone('', {
    problem: (problem) => notice(problem ? PROBLEMS.microphone : ''),
    changed: (stream) => void call?.replaceMicrophone(stream.getAudioTracks()[0]!),
  })
  const stream = await microphone.open()
  if (!hangUpButton.disabled) connect(visit, own, stream)
}

function connect(from: Visit, own: string, stream: MediaStream): void {
  connecting = setTimeout(() => finish(PROBLEMS.refused), CONNECT_MS)
  phone = new SipPhone(from.account, {
    registered: () => call ?? dial(own, stream),
    lost: () => undefined,
    refused: () => finish(PROBLEMS.refused),
    rings: (other) => other.hangUp(),
  })
  phone.start()
}
function dial(own: string, stream: MediaStream): void {
  clearTimeout(connecting)
  // The number dialled is the one that the dialplan shows as the caller's.
  call = phone!.dial(own, stream, {
    stage: (stage) => {
      if (stage !== 'talking' || state === 'talking') return
      show('talking')
      talkingSince = Date.now()
      ticking = setInterval(tell, 500)
      tell()
    },
    held: () => undefined,
    sound: (sound) => speaker.play(sound),
    ended: (by) => finish(ENDINGS[by]),
  })
}
/** The call is over, however it ended; the telephone goes back. */
function finish(words: string): void {
  if (state !== 'calling' && state !== 'talking') return
  show('ended', words)
  clearInterval(ticking)
  clearTimeout(connecting)
  speaker.quiet()
  microphone?.close()
  const [line, over] = [phone, visit]
  phone = visit = call = microphone = null
  line?.stop()
  over?.end()
}
function hangUp(): void {
  if (call) call.hangUp()
  else finish(ENDINGS.us)
}
function press(key: string): void {
  if (state !== 'talking' || !call?.sendDigit(key)) return
  const button = element('keys').querySelector<HTMLButtonElement>(`[data-key="${key}"]`)
  button?.classList.add('pressed')
  setTimeout(() => button?.classList.remove('pressed'), 160)
}

for (const key of KEYS) {
  const button = document.createElement('button')
  button.type = 'button'
  button.textContent = key
  button.disabled = true
  button.dataset.key = key
  button.dataset.testid = keyTestId(key)
  button.setAttribute('aria-label', keyLabel(key))
  button.addEventListener('click', () => press(key))
  element('keys').append(button)
}
number.value = `1990000${String(Math.floor(Math.random() * 10_000)).padStart(4, '0')}`
element('dialler').addEventListener('submit', (event) => {
  event.preventDefault()
  void begin()
})
hangUpButton.addEventListener('click', hangUp)
addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey) return
  if (event.key === 'Escape') hangUp()
  else if ((KEYS as readonly string[]).includes(event.key) && event.target !== number) press(event.key)
})
addEventListener('pagehide', () => {
  phone?.stop(PAGE_GONE)
  visit?.end()
})
