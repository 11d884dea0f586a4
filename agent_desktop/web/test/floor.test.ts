import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'

import { ApiError } from '../src/api'
import { floorApi } from '../src/api/floor'
import { counted } from '../src/floor/elapsed'
import { freeCell, filled, moved, renamed, standing, type Standing } from '../src/floor/layout'
import { laidOver, queuesAfter } from '../src/floor/merge'
import { mayActOn } from '../src/floor/rights'
import {
  bySeat,
  countShown,
  fitting,
  isLate,
  isShown,
  neighbour,
  NO_FILTER,
  scaleFor,
  sections,
  type Box,
  type MapFilter,
} from '../src/floor/rules'
import { untilChoices } from '../src/floor/until'
import * as push from '../src/push'
import { watchSleep } from '../src/sleep'
import { useFloor } from '../src/stores/floor'
import { useFocus } from '../src/stores/focus'
import { useLine } from '../src/stores/line'
import { useSession } from '../src/stores/session'
import type { FloorPicture, MapPush, QueueRow, Tile, Watch } from '../src/types/floor'
import { newBrowser, offline } from './setting'

const NOW = 1_000_000

function aTile(seat: string, change: Partial<Tile> = {}): Tile {
  return {
    seat,
    label: `席 ${seat}`,
    pbx: 'pbx1',
    agent: `agent${seat}`,
    agent_name: `话务员${seat}`,
    work_number: `1${seat}`,
    group_id: 1,
    group_name: '话务一组',
    presence: 'ready',
    reason: null,
    reason_label: null,
    activity: 'idle',
    word: 'ready',
    reachable: true,
    telephone: 'browser',
    since: NOW - 60_000,
    until: null,
    limit_ms: null,
    queues: ['consultation'],
    help_since: null,
    call: null,
    watched: [],
    today: null,
    room: null,
    column: null,
    row: null,
    ...change,
  }
}
const aCall = (uid: string, change: Partial<NonNullable<Tile['call']>> = {}): NonNullable<Tile['call']> => ({
  uid,
  state: 'talking',
  kind: 'inbound',
  direction: 'inbound',
  queue: 'complaint',
  queue_label: '投诉举报',
  path_labels: ['投诉'],
  masked: '138****5678',
  region: '',
  asked_at: NOW - 90_000,
  answered_at: NOW - 60_000,
  recording: 'on',
  party_label: null,
  ...change,
})
const aWatch = (by: string, seat: string): Watch => ({
  id: by,
  by,
  seat,
  call: 'pbx1-1.1',
  mode: 'listen',
  state: 'on',
  telephone: 'browser',
  follow: false,
  since: NOW,
  began_at: NOW,
})
const aPicture = (n: number, seats: Tile[], change: Partial<FloorPicture> = {}): FloorPicture =>
  ({
    n,
    at: Date.now(),
    seats,
    board: { n: 1, blind: {} },
    watches: [],
    settings: {},
    groups: [{ id: 1, name: '话务一组' }],
    rooms: [],
    me: { login: 'agent01', group_id: null, watch: null },
    ...change,
  }) as unknown as FloorPicture
const aPush = (n: number, seats: Tile[] = [], watches: Watch[] = []): MapPush => ({
  n,
  at: NOW,
  seats,
  watches,
})
const words = (floor: ReturnType<typeof useFloor>) =>
  [...floor.tiles.values()].map((tile) => `${tile.seat} ${tile.word}`)

beforeEach(() => {
  vi.useFakeTimers()
  newBrowser()
  vi.spyOn(push, 'tellServer').mockReturnValue()
})
afterEach(() => {
  vi.useRealTimers()
  vi.restoreAllMocks()
})

describe('the map, kept true by numbered pushes', () => {
  const joins = (...pictures: FloorPicture[]) => {
    const ask = vi.spyOn(push, 'askServer')
    for (const picture of pictures) ask.mockResolvedValueOnce(picture)
    return ask
  }
  async function opened(...pictures: FloorPicture[]) {
    const ask = joins(...pictures)
    const floor = useFloor()
    floor.open('map')
    await vi.advanceTimersByTimeAsync(0)
    return { floor, ask }
  }

  it('is live after the snapshot, and a push changes only the tiles it names', async () => {
    const { floor } = await opened(aPicture(5, [aTile('8001'), aTile('8002')]))
    const other = floor.tiles.get('8002')
    floor.heardMap(aPush(6, [aTile('8001', { word: 'talking' })]))
    expect(floor.mapState).toBe('live')
    expect(words(floor)).toEqual(['8001 talking', '8002 ready'])
    expect(floor.tiles.get('8002')).toBe(other)
  })

  it('takes a push after a gap and fetches the rest; one that comes late changes nothing', async () => {
    const { floor } = await opened(aPicture(5, [aTile('8001'), aTile('8002')]))
    const fetch = vi
      .spyOn(floorApi, 'floor')
      .mockResolvedValue(aPicture(9, [aTile('8001'), aTile('8002', { word: 'talking' })]))
    floor.heardMap(aPush(4, [aTile('8001', { word: 'holding' })]))
    expect(fetch).not.toHaveBeenCalled()
    floor.heardMap(aPush(9, [aTile('8001', { word: 'after_call' })]))
    expect(words(floor)[0]).toBe('8001 after_call')
    await vi.advanceTimersByTimeAsync(0)
    expect(fetch).toHaveBeenCalledOnce()
    expect(words(floor)).toEqual(['8001 ready', '8002 talking'])
  })

  it('lays pushes that came while a snapshot was on its way over it, when they are newer', async () => {
    const { floor } = await opened(aPicture(5, [aTile('8001'), aTile('8002')]))
    let answer: (picture: FloorPicture) => void = () => undefined
    vi.spyOn(floorApi, 'floor').mockReturnValue(new Promise((resolve) => (answer = resolve)))
    floor.heardMap(aPush(8))
    floor.heardMap(aPush(9, [aTile('8001', { word: 'ringing' })]))
    floor.heardMap(aPush(10, [aTile('8002', { word: 'talking' })]))
    answer(aPicture(9, [aTile('8001', { word: 'ringing' }), aTile('8002')]))
    await vi.advanceTimersByTimeAsync(0)
    expect(words(floor)).toEqual(['8001 ringing', '8002 talking'])
    floor.heardMap(aPush(11, [aTile('8001', { word: 'talking' })]))
    expect(words(floor)[0]).toBe('8001 talking')
  })

  it('joins again after a reconnect, also where the numbers begin anew', async () => {
    const { floor, ask } = await opened(aPicture(500, [aTile('8001')]), aPicture(1, [aTile('8001')]))
    floor.connected()
    await vi.advanceTimersByTimeAsync(0)
    expect(ask).toHaveBeenCalledTimes(2)
    floor.heardMap(aPush(2, [aTile('8001', { word: 'talking' })]))
    expect(words(floor)).toEqual(['8001 talking'])
  })

  it('asks over HTTP where the socket does not answer, and goes on trying to join', async () => {
    const ask = vi.spyOn(push, 'askServer').mockRejectedValue(offline())
    const fetch = vi.spyOn(floorApi, 'floor').mockResolvedValue(aPicture(5, [aTile('8001')]))
    const floor = useFloor()
    floor.open('map')
    await vi.advanceTimersByTimeAsync(0)
    expect(floor.mapState).toBe('live')
    expect(fetch).toHaveBeenCalledOnce()
    ask.mockResolvedValue(aPicture(6, [aTile('8001')]))
    await vi.advanceTimersByTimeAsync(600)
    expect(ask).toHaveBeenCalledTimes(2)
  })

  it('says so when it may not be seen, and does not ask again', async () => {
    const ask = vi.spyOn(push, 'askServer').mockRejectedValue(new ApiError(403, 'forbidden', ''))
    const floor = useFloor()
    floor.open('map')
    await vi.advanceTimersByTimeAsync(20_000)
    expect(floor.mapState).toBe('refused')
    expect(ask).toHaveBeenCalledOnce()
  })

  it('is fetched at once after a sleep, and left when nobody looks any more', async () => {
    const { floor } = await opened(aPicture(5, [aTile('8001')]))
    const fetch = vi
      .spyOn(floorApi, 'floor')
      .mockResolvedValue(aPicture(77, [aTile('8001', { word: 'holding' })]))
    floor.awake()
    await vi.advanceTimersByTimeAsync(0)
    expect(words(floor)).toEqual(['8001 holding'])
    floor.open('map')
    floor.close('map')
    expect(push.tellServer).not.toHaveBeenCalled()
    floor.close('map')
    expect(push.tellServer).toHaveBeenCalledWith('floor_close', { view: 'map' })
    floor.awake()
    expect(fetch).toHaveBeenCalledOnce()
  })

  it('knows my own supervision among all', async () => {
    const { floor } = await opened(aPicture(5, [aTile('8001')], { watches: [aWatch('leader02', '8001')] }))
    expect(floor.myWatch).toBeNull()
    floor.heardMap(aPush(6, [], [aWatch('leader02', '8001'), aWatch('agent01', '8002')]))
    expect(floor.myWatch?.seat).toBe('8002')
  })
})

describe('what cannot be seen', () => {
  const seen = { connected: true, blind_since: null }
  it('is blind for its own PBX only, since the link says so', () => {
    const floor = useFloor()
    useSession().takeLinks({ pbx1: { connected: false, blind_since: 5_000 }, pbx2: seen })
    expect(floor.blind).toEqual({ pbx1: 5_000 })
    useSession().takeLink({ pbx: 'pbx1', ...seen })
    expect(floor.blind).toEqual({})
  })

  it('is everything, once this page has lost the server', () => {
    const floor = useFloor()
    useSession().takeLinks({ pbx1: seen, pbx2: seen })
    useLine().lost(7_000)
    expect(floor.blind).toEqual({ pbx1: 7_000, pbx2: 7_000 })
  })
})

describe('which tiles are shown', () => {
  const only = (change: Partial<MapFilter>): MapFilter => ({ ...NO_FILTER, ...change })
  const late = aTile('8003', { word: 'talking', limit_ms: 30_000 })

  it.each([
    ['group', only({ group: 2 }), false],
    ['queue that the seat serves', only({ queue: 'consultation' }), true],
    ['queue of the call at the seat', only({ queue: 'complaint' }), true],
    ['another queue', only({ queue: 'heating' }), false],
    ['name', only({ text: '员8003' }), true],
    ['work number', only({ text: ' 18003 ' }), true],
    ['words of nobody', only({ text: 'zz' }), false],
    ['state', only({ states: new Set(['talking']) }), true],
    ['another state', only({ states: new Set(['ready']) }), false],
    ['over the limit', only({ states: new Set(['ready', 'late']) }), true],
    ['asks for help', only({ states: new Set(['help']) }), false],
  ] as const)('by %s', (_, filter, shown) => {
    expect(isShown({ ...late, call: aCall('pbx1-1.1') }, filter, NOW)).toBe(shown)
  })

  it('are late only past the limit of their state', () => {
    expect(isLate(late, NOW)).toBe(true)
    expect(isLate(late, NOW - 30_000)).toBe(false)
    expect(isLate(aTile('8001'), NOW)).toBe(false)
  })

  it('are counted by state, and by what needs an eye', () => {
    const counts = countShown([late, aTile('8001'), aTile('8002', { help_since: NOW })], NOW)
    expect([counts.ready, counts.talking, counts.help, counts.late, counts.watched]).toEqual([2, 1, 1, 1, 0])
  })

  it('are nothing but blind, once their PBX cannot be seen', () => {
    const blind = { pbx1: NOW }
    const there = aTile('8004', { pbx: 'pbx2' })
    const counts = countShown([late, there], NOW, blind)
    expect([counts.blind, counts.talking, counts.late, counts.ready]).toEqual([1, 0, 0, 1])
    expect(isShown(late, only({ states: new Set(['talking', 'late']) }), NOW, blind)).toBe(false)
    expect(isShown(late, only({ states: new Set(['blind']) }), NOW, blind)).toBe(true)
  })
})

describe('where tiles stand', () => {
  const tiles = [
    aTile('8010', { group_name: '话务二组' }),
    aTile('8002'),
    aTile('8001', { limit_ms: 1_000 }),
    aTile('8003', { help_since: NOW - 1, group_name: null, room: '大厅', column: 4, row: 2 }),
  ]
  const seats = (found: ReturnType<typeof sections>) =>
    found.map((part) => [part.name, ...part.tiles.map((tile) => tile.seat)])

  it('by group in the order of the groups, who has none at the end', () => {
    const names = ['话务二组', '话务一组', '话务三组']
    expect(seats(sections(tiles, 'group', names, 'seat', NOW))).toEqual([
      ['话务二组', '8010'],
      ['话务一组', '8001', '8002'],
      ['', '8003'],
    ])
  })

  it('by room as placed, with the extent of the plan', () => {
    const found = sections(tiles, 'room', ['大厅'], 'seat', NOW)
    expect(seats(found)).toEqual([
      ['大厅', '8003'],
      ['', '8001', '8002', '8010'],
    ])
    expect([found[0].columns, found[0].rows, found[1].columns]).toEqual([4, 2, 0])
  })

  it('with who needs attention first, if so wished', () => {
    const one = tiles.map((tile) => ({ ...tile, group_name: 'a' }))
    expect(seats(sections(one, 'group', [], 'attention', NOW))[0]).toEqual([
      'a',
      '8003',
      '8001',
      '8002',
      '8010',
    ])
  })

  it('in numbers, not in letters', () => {
    expect([aTile('8010'), aTile('802')].sort(bySeat).map((tile) => tile.seat)).toEqual(['802', '8010'])
  })

  it('as large as they fit', () => {
    const of = (n: number) =>
      sections(
        Array.from({ length: n }, (_, i) => aTile(`${8001 + i}`)),
        'group',
        [],
        'seat',
        NOW,
      )
    expect(fitting(of(12), 1240, 590)).toBe('roomy')
    expect(fitting(of(50), 1240, 590)).toBe('compact')
    expect(fitting(of(300), 1240, 590)).toBe('tiny')
    expect(scaleFor(of(6), 1800, 900, 'roomy')).toBeGreaterThan(1)
    expect(scaleFor(of(60), 1240, 590, 'compact')).toBe(1)
  })
})

describe('arrows', () => {
  // 1 2 3
  // 4 5
  const box = (seat: string, column: number, row: number): Box => ({
    seat,
    left: column * 100,
    top: row * 50,
    width: 96,
    height: 46,
  })
  const boxes = [box('1', 0, 0), box('2', 1, 0), box('3', 2, 0), box('4', 0, 1), box('5', 1, 1)]

  it.each([
    ['1', 'right', '2'],
    ['3', 'right', '4'],
    ['1', 'left', null],
    ['2', 'down', '5'],
    ['3', 'down', '5'],
    ['5', 'up', '2'],
    ['4', 'down', null],
  ] as const)('from %s %s to %s', (from, way, to) => expect(neighbour(boxes, from, way)).toBe(to))
})

describe('the plan of the rooms', () => {
  const at = (seat: string, column: number, row: number, room = 'a'): Standing => ({
    seat,
    room,
    column,
    row,
  })
  const plan = [at('1', 1, 1), at('2', 2, 1)]

  it('is what the tiles say', () => {
    expect(standing([aTile('1', { room: 'a', column: 1, row: 1 }), aTile('2')])).toEqual([at('1', 1, 1)])
  })
  it('a seat dragged to an empty place stands there', () => {
    expect(moved(plan, '1', { room: 'b', column: 3, row: 2 })).toContainEqual(at('1', 3, 2, 'b'))
  })
  it('two seats change places', () => {
    const next = moved(plan, '1', { room: 'a', column: 2, row: 1 })
    expect(next).toHaveLength(2)
    expect(next).toEqual(expect.arrayContaining([at('1', 2, 1), at('2', 1, 1)]))
  })
  it('one without a place takes that of another, which then has none', () => {
    expect(moved(plan, '3', { room: 'a', column: 1, row: 1 }).map((one) => one.seat)).toEqual(['2', '3'])
  })
  it('nothing stands outside', () => {
    expect(moved(plan, '1', { room: 'a', column: 0, row: 1 })).toEqual(plan)
  })
  it('the rest fills the free places row by row', () => {
    expect(freeCell(plan, 'a', 2)).toEqual({ room: 'a', column: 1, row: 2 })
    expect(filled(plan, ['1', '2', '3', '4'], 'a', 3)).toEqual([...plan, at('3', 3, 1), at('4', 1, 2)])
  })
  it('a room takes its seats along when it is renamed', () => {
    expect(renamed(plan, 'a', 'b').every((one) => one.room === 'b')).toBe(true)
  })
})

describe('small rules', () => {
  it('counts in fives on a large map after the first seconds, so that few texts are drawn anew', () => {
    expect(counted(9_900, 300)).toBe(9_900)
    expect(counted(13_900, 300)).toBe(10_000)
    expect(counted(75_000, 300)).toBe(75_000)
    expect(counted(13_900, 12)).toBe(13_900)
  })

  it('a push replaces rows by name and keeps their order', () => {
    const row = (queue: string, callbacks_owed = 0) => ({ queue, callbacks_owed }) as QueueRow
    expect(queuesAfter([row('a'), row('b')], [row('b', 2), row('c')])).toEqual([
      row('a'),
      row('b', 2),
      row('c'),
    ])
    expect([...laidOver(new Map([['1', aTile('1')]]), [aTile('2')]).keys()]).toEqual(['1', '2'])
  })
  it('a shift leader acts on the own group, who has none and supervisors on all', () => {
    const may = [
      mayActOn('shift_leader', 1, 1),
      mayActOn('shift_leader', 1, 2),
      mayActOn('shift_leader', 1, null),
      mayActOn('shift_leader', null, 2),
      mayActOn('supervisor', 1, 2),
      mayActOn('agent', 1, 1),
    ]
    expect(may).toEqual([true, false, false, true, true, false])
  })
  it('"today" ends at midnight in Shanghai', () => {
    const noon = Date.UTC(2026, 10, 21, 4)
    const ends = untilChoices(noon)
    expect(ends.map((one) => one.at - noon)).toEqual([0.5, 1, 2, 12].map((hours) => hours * 3_600_000))
  })
})

describe('a page that slept', () => {
  it('is told once, when the timer was much too late', () => {
    vi.stubGlobal('document', Object.assign(new EventTarget(), { visibilityState: 'visible' }))
    vi.stubGlobal('addEventListener', () => undefined)
    vi.stubGlobal('removeEventListener', () => undefined)
    const woke = vi.fn()
    const stop = watchSleep(woke)
    vi.advanceTimersByTime(10_000)
    expect(woke).not.toHaveBeenCalled()
    vi.setSystemTime(Date.now() + 3_600_000)
    vi.advanceTimersByTime(1_000)
    document.dispatchEvent(new Event('visibilitychange'))
    expect(woke).toHaveBeenCalledOnce()
    stop()
    vi.unstubAllGlobals()
  })
})

describe('the seat in focus', () => {
  it('fetches its call once more for all changes during a request', async () => {
    const floor = useFloor()
    floor.keepTiles([aTile('8001', { call: aCall('pbx1-1.1') })])
    vi.spyOn(floorApi, 'seat').mockResolvedValue({ tile: aTile('8001'), history: [] })
    let answer: (focus: never) => void = () => undefined
    const call = vi
      .spyOn(floorApi, 'call')
      .mockImplementation(() => new Promise((resolve) => (answer = resolve)))
    const focus = useFocus()
    focus.show('8001')
    for (let i = 0; i < 5; i += 1) focus.heard({ seat: '8001', uid: 'pbx1-1.1', what: 'ticket' })
    expect(call).toHaveBeenCalledTimes(1)
    answer({ path: [] } as never)
    await vi.advanceTimersByTimeAsync(0)
    expect(call).toHaveBeenCalledTimes(2)
    focus.heard({ seat: '8002', uid: 'pbx1-9.9', what: 'call' })
    expect(focus.uid).toBe('pbx1-1.1')
  })

  it('keeps the call after its end, and follows the next one', async () => {
    const floor = useFloor()
    floor.keepTiles([aTile('8001', { call: aCall('pbx1-1.1') })])
    vi.spyOn(floorApi, 'seat').mockResolvedValue({ tile: aTile('8001'), history: [] })
    vi.spyOn(floorApi, 'call').mockResolvedValue({ path: [] } as never)
    const focus = useFocus()
    focus.show('8001')
    floor.keepTiles([aTile('8001', { word: 'after_call' })])
    await vi.advanceTimersByTimeAsync(0)
    expect([focus.uid, focus.ended]).toEqual(['pbx1-1.1', true])
    floor.keepTiles([aTile('8001', { call: aCall('pbx1-1.2') })])
    await vi.advanceTimersByTimeAsync(0)
    expect([focus.uid, focus.ended]).toEqual(['pbx1-1.2', false])
  })
})
