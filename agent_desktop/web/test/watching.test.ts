import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'

import { floorApi } from '../src/api/floor'
import * as push from '../src/push'
import { useFloor } from '../src/stores/floor'
import { useSession } from '../src/stores/session'
import { useSoftphone } from '../src/stores/softphone'
import { BROWSER, useWatching } from '../src/stores/watching'
import type { FloorPicture, Tile, Watch } from '../src/types/floor'
import { newBrowser } from './setting'

const ME = { id: 9, login: 'leader01', name: '何班长', work_number: '2001', role: 'shift_leader' as const }
const TALK = { seat: '8001', agent: 'agent01', word: 'talking', call: { uid: 'pbx1-1.1' } } as unknown as Tile

function watchOf(change: Partial<Watch> = {}): Watch {
  return {
    id: ME.login,
    by: ME.login,
    seat: '8001',
    call: 'pbx1-1.1',
    mode: 'listen',
    state: 'on',
    telephone: '8012',
    follow: false,
    since: 1_000,
    began_at: 1_000,
    ...change,
  }
}
let n = 5
/** The server says who watches whom. */
function told(watch: Watch | null): void {
  useFloor().heardMap({ n: (n += 1), at: 1_000, seats: [], watches: watch ? [watch] : [] })
}
const sent = (name: 'watch' | 'mode' | 'leave' | 'takeOver') =>
  vi.spyOn(floorApi, name).mockResolvedValue({ ok: true } as never)

beforeEach(async () => {
  vi.useFakeTimers()
  newBrowser()
  n = 5
  useSession().user = ME
  vi.spyOn(push, 'tellServer').mockReturnValue()
  vi.spyOn(push, 'askServer').mockResolvedValue({
    n,
    at: Date.now(),
    seats: [TALK],
    board: { n: 1, blind: {} },
    watches: [],
    settings: {},
    groups: [],
    rooms: [],
    me: { login: ME.login, group_id: null, watch: null },
  } as unknown as FloorPicture)
  useFloor().open('map')
  await vi.advanceTimersByTimeAsync(0)
})
afterEach(() => {
  useWatching().stop()
  vi.useRealTimers()
  vi.restoreAllMocks()
})

describe('supervision, as wished and as told', () => {
  it('is asked for with what was seen at the seat, and is there when the server says so', async () => {
    const asked = sent('watch')
    const watching = useWatching()
    watching.start()
    watching.choose('8012')
    const begun = watching.begin('8001', 'listen')
    await vi.advanceTimersByTimeAsync(0)
    const seen = { agent: 'agent01', uid: 'pbx1-1.1' }
    expect(asked).toHaveBeenCalledWith('8001', 'listen', '8012', false, seen)
    expect([watching.mine, watching.pending]).toEqual([null, 'listen'])
    told(watchOf())
    await begun
    expect([watching.mine?.mode, watching.pending]).toEqual(['listen', null])
  })

  it('in the call only changes the mode, and not to what it is already', async () => {
    const changed = sent('mode')
    const watching = useWatching()
    watching.start()
    told(watchOf())
    await watching.begin('8001', 'listen')
    expect(changed).not.toHaveBeenCalled()
    const whispering = watching.begin('8001', 'whisper')
    told(watchOf({ mode: 'whisper' }))
    await whispering
    expect(changed).toHaveBeenCalledWith('whisper')
  })

  it('takes over only once the own telephone is in the call', async () => {
    sent('watch')
    const taken = sent('takeOver')
    const watching = useWatching()
    watching.start()
    watching.choose('8012')
    const taking = watching.takeOver('8001', '市民要求')
    await vi.advanceTimersByTimeAsync(0)
    told(watchOf({ state: 'calling' }))
    await vi.advanceTimersByTimeAsync(500)
    expect(taken).not.toHaveBeenCalled()
    told(watchOf())
    await vi.advanceTimersByTimeAsync(0)
    expect(taken).toHaveBeenCalledWith('市民要求')
    told(watchOf({ mode: 'take_over' }))
    await taking
  })

  it('gives up a take-over when the telephone never comes in', async () => {
    sent('watch')
    const taken = sent('takeOver')
    const watching = useWatching()
    watching.start()
    watching.choose('8012')
    const taking = watching.takeOver('8001', '市民要求').catch((error) => error.code)
    await vi.advanceTimersByTimeAsync(10_000)
    expect(await taking).toBe('no_voice')
    expect(taken).not.toHaveBeenCalled()
    expect(watching.pending).toBeNull()
  })
})

describe("the leader's microphone", () => {
  it('is closed while listening, open while whispering, and closed by hand', () => {
    const softphone = useSoftphone()
    const [mute, unmute] = [vi.spyOn(softphone, 'mute'), vi.spyOn(softphone, 'unmute')]
    const put = (muted: boolean) =>
      (softphone.call = { purpose: 'watch', state: 'talking', held: false, muted, since: 1 })
    const watching = useWatching()
    watching.start()
    put(false)
    told(watchOf({ telephone: BROWSER }))
    return vi.advanceTimersByTimeAsync(0).then(async () => {
      expect(mute).toHaveBeenCalled()
      put(true)
      told(watchOf({ telephone: BROWSER, mode: 'whisper' }))
      await vi.advanceTimersByTimeAsync(0)
      expect(unmute).toHaveBeenCalledOnce()
      put(false)
      mute.mockClear()
      watching.mute()
      expect(mute).toHaveBeenCalledOnce()
    })
  })

  it('that is not there is said, when the server takes this page for in the call', async () => {
    const watching = useWatching()
    watching.start()
    told(watchOf({ telephone: BROWSER }))
    await vi.advanceTimersByTimeAsync(1_000)
    expect(watching.voiceless).toBe(false)
    await vi.advanceTimersByTimeAsync(4_000)
    expect(watching.voiceless).toBe(true)
    told(null)
    await vi.advanceTimersByTimeAsync(0)
    expect(watching.voiceless).toBe(false)
  })
})

describe('a page loaded anew in a call', () => {
  it('says what it was in, and comes back to it when asked', async () => {
    const watching = useWatching()
    useSoftphone().state = 'registered'
    watching.start()
    told(watchOf({ mode: 'whisper', telephone: BROWSER }))
    await vi.advanceTimersByTimeAsync(0)
    const kept = sessionStorage.getItem('floor-watch')
    watching.stop()
    told(null)
    sessionStorage.setItem('floor-watch', kept!)
    watching.start()
    // The server needs a moment to notice that the page's telephone is gone.
    told(watchOf({ mode: 'whisper', telephone: BROWSER }))
    await vi.advanceTimersByTimeAsync(0)
    told(null)
    await vi.advanceTimersByTimeAsync(0)
    expect(watching.broken).toMatchObject({ seat: '8001', mode: 'whisper' })
    const asked = sent('watch')
    const back = watching.rejoin()
    await vi.advanceTimersByTimeAsync(0)
    expect(asked).toHaveBeenCalledWith('8001', 'whisper', BROWSER, false, expect.anything())
    told(watchOf({ mode: 'whisper', telephone: BROWSER }))
    await back
    expect(watching.broken).toBeNull()
  })

  it('forgets what ended in the ordinary way, and what was another person', async () => {
    const watching = useWatching()
    watching.start()
    told(watchOf())
    await vi.advanceTimersByTimeAsync(0)
    told(null)
    await vi.advanceTimersByTimeAsync(0)
    expect(sessionStorage.getItem('floor-watch')).toBeNull()
    watching.stop()
    sessionStorage.setItem('floor-watch', JSON.stringify({ user: 1, seat: '8001', mode: 'listen' }))
    watching.start()
    expect(watching.broken).toBeNull()
  })
})
