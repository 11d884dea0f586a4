import { describe, expect, it } from 'vitest'

import {
  ACTIONS,
  afterCallLeft,
  afterwards,
  overLimit,
  type PageCall,
  pauseLeft,
  possible,
  stageOf,
} from '../src/rules/actions'
import { figuresOf } from '../src/rules/figures'
import { happened, outdated } from '../src/rules/happenings'
import { isNumber, optionsOf, search, sectionsOf } from '../src/rules/targets'
import { spelled } from '../src/shortcuts'
import { useNotices } from '../src/stores/notices'
import type { Party, PushedCall, Seat } from '../src/types'
import { aCall, aSeat, newPage } from './setting'

const PARTY: Party = { kind: 'target', label: '市住建局值班', seat: null, state: 'talking', since: 5_000 }
const talking = (change: Partial<PushedCall> = {}) =>
  aCall({ state: 'talking', answered_at: 4_000, recording: 'on', ...change })
const busy = (change: Partial<Seat> = {}) => aSeat({ activity: 'talking', call: 'pbx1-1.1', ...change })
const inPage: PageCall = { state: 'talking', held: false, muted: false }
const browser = (change: Partial<Seat> = {}) => busy({ telephone: 'browser', ...change })

/** Names of what is possible. */
function names(seat: Seat | null, call: PushedCall | null, page: PageCall | null = null): string[] {
  const can = possible(seat, call, page)
  // Help can be asked for whatever the call is: it has its own test.
  return ACTIONS.filter((name) => can[name] && name !== 'askHelp')
}

describe('the stage of the call', () => {
  it('follows the call, and the own seat where it was asked for help', () => {
    const consulting = talking({ state: 'consulting', party: PARTY })
    const asked = { ...consulting, role: 'party' as const }
    expect([
      stageOf(aSeat(), null),
      stageOf(aSeat(), null, true),
      stageOf(aSeat({ activity: 'ringing' }), aCall()),
      stageOf(busy(), talking()),
      stageOf(busy({ activity: 'holding' }), talking({ state: 'holding' })),
      stageOf(aSeat({ activity: 'dialing' }), aCall({ state: 'dialing' })),
      stageOf(busy(), consulting),
      stageOf(busy(), talking({ state: 'three_way', party: PARTY })),
      stageOf(busy(), talking({ state: 'returning' })),
      stageOf(aSeat({ activity: 'ringing' }), asked),
      stageOf(busy(), asked),
    ]).toEqual([
      'idle',
      'ended',
      'ringing',
      'talking',
      'holding',
      'dialing',
      'consulting',
      'three_way',
      'returning',
      'ringing',
      'consulted',
    ])
  })
})

describe('what can be done', () => {
  it('between calls is to change the state and to dial', () => {
    expect(names(aSeat(), null)).toEqual(['notReady', 'dial'])
    expect(names(aSeat({ presence: 'not_ready', reason: 'meal' }), null)).toEqual([
      'ready',
      'notReady',
      'dial',
    ])
    expect(names(aSeat({ presence: 'not_ready', reason: 'after_call' }), null)).toEqual([
      'ready',
      'notReady',
      'finish',
      'moreTime',
      'dial',
    ])
    expect(names(aSeat({ reachable: false }), null)).toEqual(['notReady'])
    expect(names(null, null)).toEqual([])
  })

  it('while it rings is to answer, where the telephone is in this page and has the ring too', () => {
    const ringing = aSeat({ activity: 'ringing', telephone: 'browser' })
    expect(names(ringing, aCall(), { ...inPage, state: 'ringing' })).toContain('answer')
    expect(names(ringing, aCall(), null)).not.toContain('answer')
    expect(names(aSeat({ activity: 'ringing' }), aCall(), null)).toEqual(['notReady'])
  })

  it('in a call is more with the telephone in the page than with a desk phone', () => {
    expect(names(busy(), talking())).toEqual(['notReady', 'hangUp', 'transfer', 'pauseRecording'])
    expect(names(browser(), talking(), inPage)).toEqual([
      'notReady',
      'hangUp',
      'hold',
      'mute',
      'keypad',
      'transfer',
      'pauseRecording',
    ])
  })

  it('in a consultation waits for the other to answer, and never hangs up on the citizen', () => {
    const ringing = talking({ state: 'consulting', party: { ...PARTY, state: 'ringing' } })
    expect(names(busy(), ringing)).toEqual(['notReady', 'cancelConsult', 'pauseRecording'])
    const reached = talking({ state: 'consulting', party: PARTY })
    expect(names(busy(), reached)).toEqual([
      'notReady',
      'complete',
      'threeWay',
      'cancelConsult',
      'pauseRecording',
    ])
  })

  it('in a three-way call is to leave, to drop the other, to end all; a helper only hangs up', () => {
    const three = talking({ state: 'three_way', party: { ...PARTY, state: 'joined' } })
    expect(names(busy(), three)).toEqual(['notReady', 'dropParty', 'leave', 'endAll', 'pauseRecording'])
    expect(names(busy(), { ...three, role: 'party' })).toEqual(['notReady', 'hangUp'])
  })

  it('with a paused recording is to resume it', () => {
    expect(names(busy(), talking({ recording: 'paused' }))).toContain('resumeRecording')
    expect(names(busy(), talking({ recording: 'paused' }))).not.toContain('pauseRecording')
  })

  it('is to ask for help at any time, and to take that back', () => {
    for (const seat of [aSeat(), busy(), aSeat({ reachable: false })]) {
      expect(possible(seat, null, null)).toMatchObject({ askHelp: true, cancelHelp: false })
      const lit = { ...seat, help_since: 1 }
      expect(possible(lit, null, null)).toMatchObject({ askHelp: false, cancelHelp: true })
    }
    expect(possible(null, null, null)).toMatchObject({ askHelp: false, cancelHelp: false })
  })

  it('while dialling is to give up', () => {
    expect(names(aSeat({ activity: 'dialing' }), aCall({ state: 'dialing' }))).toEqual(['notReady', 'hangUp'])
  })
})

describe('states and their times', () => {
  it('what comes after the call is known during it and during after-call work', () => {
    expect(afterwards(busy())).toBeNull()
    expect(afterwards(busy({ presence: 'not_ready', reason: 'meal' }))).toBe('meal')
    expect(afterwards(aSeat({ presence: 'not_ready', reason: 'after_call', next: 'meal' }))).toBe('meal')
    expect(afterwards(aSeat({ presence: 'not_ready', reason: 'after_call' }))).toBeNull()
    expect(afterwards(aSeat({ presence: 'not_ready', reason: 'meal' }))).toBeNull()
  })

  it('after-call work ends when the server says, else after the configured time', () => {
    const seat = aSeat({ presence: 'not_ready', reason: 'after_call', since: 1_000 })
    expect(afterCallLeft({ ...seat, until: 61_000 }, 20, 21_000)).toBe(40)
    expect(afterCallLeft(seat, 20, 11_000)).toBe(10)
    expect(afterCallLeft(seat, 20, 99_000)).toBe(0)
    expect(afterCallLeft(aSeat(), 20, 0)).toBeNull()
  })

  it('a reason with a limit is over it after so many minutes, one without never', () => {
    const reasons = [{ code: 'break', limit_minutes: 15 }, { code: 'meeting' }]
    const since = (minutes: number) =>
      aSeat({ presence: 'not_ready', reason: 'break', since: -minutes * 60_000 })
    expect(overLimit(since(14), reasons, 0)).toBe(0)
    expect(overLimit(since(16), reasons, 0)).toBe(60_000)
    expect(overLimit({ ...since(99), reason: 'meeting' }, reasons, 0)).toBeNull()
    expect(overLimit(aSeat(), reasons, 0)).toBeNull()
  })

  it('a paused recording goes on by itself after two minutes', () => {
    expect(pauseLeft(talking({ recording: 'paused', paused_since: 10_000 }), 40_000)).toBe(90)
    expect(pauseLeft(talking({ recording: 'paused', paused_since: 10_000 }), 999_000)).toBe(0)
    expect(pauseLeft(talking(), 40_000)).toBe(0)
  })
})

describe('what has happened', () => {
  const consulting = talking({ state: 'consulting', party: PARTY })
  const sent = (action: 'complete' | 'cancelConsult' | 'consult' | 'transfer' | 'leave' | 'hangUp') => ({
    action,
    uid: 'pbx1-1.1',
    at: 0,
  })
  const code = (...change: Parameters<typeof happened>) => happened(...change)?.code ?? null

  it('to the one who was asked is told, unless the agent did it himself', () => {
    const ringing = talking({ state: 'consulting', party: { ...PARTY, state: 'ringing' } })
    expect(happened(ringing, talking(), null, 0)).toEqual({
      code: 'partyUnanswered',
      label: '市住建局值班',
      bad: true,
    })
    expect(code(consulting, talking(), null, 0)).toBe('partyGone')
    expect(code(consulting, talking(), sent('cancelConsult'), 100)).toBeNull()
    expect(code(consulting, talking(), sent('cancelConsult'), 60_000)).toBe('partyGone')
    expect(code(consulting, talking({ state: 'three_way', party: PARTY }), null, 0)).toBe('partyJoined')
  })

  it('when the call leaves the seat depends on what the agent had sent', () => {
    const three = talking({ state: 'three_way', party: PARTY })
    expect(code(consulting, null, sent('complete'), 100)).toBe('transferred')
    expect(code(talking(), null, sent('transfer'), 100)).toBe('transferred')
    expect(code(consulting, null, sent('consult'), 100)).toBe('citizenGoneInConsult')
    expect(code(three, null, sent('leave'), 100)).toBe('left')
    expect(code(three, null, null, 100)).toBe('citizenGoneInThreeWay')
    expect(code(talking(), null, null, 100)).toBeNull()
    expect(code({ ...consulting, role: 'party' }, null, null, 100)).toBeNull()
  })

  it('when nobody answered the call that was dialled', () => {
    const dialled = aCall({ state: 'dialing', direction: 'outbound' })
    expect(code(dialled, null, null, 0)).toBe('dialFailed')
    expect(code(dialled, null, sent('hangUp'), 100)).toBeNull()
  })

  it('to a telephone that vanished, and to a recording that was paused', () => {
    const returning = talking({ state: 'returning' })
    expect(code(talking(), returning, null, 0)).toBe('returning')
    expect(code(returning, talking(), null, 0)).toBe('returned')
    expect(code(returning, null, null, 0)).toBe('notReturned')
    expect(code(talking(), null, null, 0, true)).toBe('notReturned')
    expect(code(talking(), null, sent('hangUp'), 100, true)).toBeNull()
    expect(code(talking({ recording: 'paused' }), talking(), null, 0)).toBe('recordingResumed')
    expect(code(null, talking(), null, 0)).toBeNull()
  })

  it('is forgotten when the picture has gone on', () => {
    const gone = { code: 'partyGone', label: '', bad: true } as const
    expect(outdated(gone, talking(), talking())).toBe(false)
    expect(outdated(gone, talking(), consulting)).toBe(true)
    expect(outdated(gone, talking(), null)).toBe(true)
    expect(outdated({ ...gone, code: 'partyJoined' }, talking(), talking())).toBe(true)
    expect(outdated({ ...gone, code: 'citizenGoneInConsult' }, talking(), null)).toBe(false)
    expect(outdated({ ...gone, code: 'transferred' }, null, aCall({ uid: 'pbx1-2.2' }))).toBe(true)
  })
})

describe('a telephone in the page that lost its call', () => {
  const codeAfter = (...steps: ((notices: ReturnType<typeof useNotices>) => void)[]) => {
    newPage()
    const notices = useNotices()
    for (const step of steps) step(notices)
    return notices.latest?.code ?? null
  }
  const told =
    (call: PushedCall | null, cut = false) =>
    (notices: ReturnType<typeof useNotices>) =>
      notices.follow(call, null, 0, cut)
  const cut = (notices: ReturnType<typeof useNotices>) => notices.cut()

  it('is told while the call waits, and again when it has gone elsewhere', () => {
    expect(codeAfter(told(talking()), cut)).toBe('soundLost')
    expect(codeAfter(told(talking()), cut, told(null, true))).toBe('notReturned')
    expect(codeAfter(told(talking()), cut, told(talking({ state: 'returning', answered_at: null })))).toBe(
      'returning',
    )
  })
  it('is told as well when the server was the first to know', () => {
    expect(codeAfter(told(talking()), told(null))).toBeNull()
    expect(codeAfter(told(talking()), told(null), cut)).toBe('notReturned')
  })
  it('is no news when the call only rang', () =>
    expect(codeAfter(told(talking({ state: 'ringing', answered_at: null })), cut)).toBeNull())
})

describe('whom a call can go to', () => {
  const all = optionsOf(
    {
      seats: [
        { number: '8001', label: '一号席', agent_name: '欧阳建国', state: 'talking' },
        { number: '8002', label: '二号席', agent_name: '李晓晨', state: 'talking' },
        { number: '8003', label: '三号席', agent_name: '陈思远', state: 'ready' },
        { number: '8004', label: '四号席', agent_name: null, state: 'signed_out' },
      ],
      queues: [{ name: 'complaint', label: '投诉举报' }],
      groups: [
        {
          group: '专家组',
          targets: [
            { id: 1, name: '医保专家', note: '异地就医' },
            { id: 2, name: '社保专家', note: '' },
          ],
        },
        { group: '律师组', targets: [{ id: 3, name: '值班律师', note: '' }] },
      ],
    },
    '8001',
  )
  const found = (typed: string, section = '') =>
    search(all, typed, section).map((one) => `${one.kind} ${one.target}`)

  it('is everybody but oneself and empty seats, the free ones first', () => {
    expect(all.map((one) => `${one.kind} ${one.target}`)).toEqual([
      'queue complaint',
      'seat 8003',
      'seat 8002',
      'group 专家组',
      'target 1',
      'target 2',
      'target 3',
    ])
    expect(all.find((one) => one.target === '8002')?.busy).toBe(true)
    expect(sectionsOf(all)).toEqual(['queues', 'seats', '专家组', '律师组'])
  })

  it('is found by name, number, note or heading, every typed word counting', () => {
    expect(found('专家 医保')).toEqual(['target 1'])
    expect(found('异地')).toEqual(['target 1'])
    expect(found('8002')).toEqual(['seat 8002', 'number 8002'])
    expect(found('', '律师组')).toEqual(['target 3'])
    expect(found('无此人')).toEqual([])
  })

  it('is an outside number when digits are typed', () => {
    expect(found('139 0000 0001')).toEqual(['number 139 0000 0001'])
    expect(['110', '0571-8765 4321', '+8613812345678', '(0571) 1'].map(isNumber)).toEqual([
      true,
      true,
      true,
      false,
    ])
  })
})

it('figures are read as lengths and percentages, with a dash where nothing was measured', () => {
  const shown = figuresOf({
    answered: 3,
    talk_seconds: 3_725,
    average_talk_seconds: null,
    utilisation: 0.684,
    satisfaction: { rated: 8, satisfied: 7, rate: 0.875 },
  })
  expect(shown.map(({ name, value, of }) => [name, value, of].filter(Boolean).join(' '))).toEqual([
    'answered 3',
    'talk 1:02:05',
    'averageTalk —',
    'utilisation 68%',
    'satisfaction 88% 7/8',
  ])
})

it('a key is spelled by its place where Alt would write another sign, and Shift counts with F keys', () => {
  const key = (change: object) =>
    spelled({ key: '', code: '', ctrlKey: false, metaKey: false, altKey: false, ...change })
  expect([
    key({ key: '˙', code: 'KeyH', altKey: true }),
    key({ key: 'F7', code: 'F7', shiftKey: true }),
    key({ key: 'F7', code: 'F7' }),
    key({ key: 'S', code: 'KeyS', ctrlKey: true, shiftKey: true }),
    key({ key: '2', code: 'Digit2', altKey: true }),
    key({ key: 'Enter', code: 'Enter', ctrlKey: true }),
  ]).toEqual(['Alt+H', 'Shift+F7', 'F7', 'Ctrl+S', 'Alt+2', 'Ctrl+Enter'])
})
