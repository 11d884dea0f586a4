import { nextTick } from 'vue'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'

import { ApiError, api } from '../src/api'
import { latest } from '../src/latest'
import { fileFault, pastedName, size } from '../src/rules/files'
import { checkElement, emptyForm, lacking, withAnswer } from '../src/rules/form'
import { inOrder } from '../src/rules/notes'
import { stepKind } from '../src/rules/script'
import { firstFit } from '../src/rules/tree'
import { useAids } from '../src/stores/aids'
import { useAttachments } from '../src/stores/attachments'
import { useDuplicates } from '../src/stores/duplicates'
import { useForm } from '../src/stores/form'
import { useNextCall } from '../src/stores/nextCall'
import { useSeat } from '../src/stores/seat'
import { aCall, aSeat, answer, newBrowser, newPage, offline } from './setting'

const UID = 'pbx1-1.1'

beforeEach(() => {
  vi.useFakeTimers()
  newBrowser()
  answer('draft').mockResolvedValue(null)
  answer('saveDraft').mockResolvedValue({ saved_at: 42 })
})
afterEach(() => {
  vi.useRealTimers()
  vi.restoreAllMocks()
})

async function written(change = {}) {
  const form = useForm()
  await form.open(UID)
  Object.assign(form.form, {
    request_type: 'help',
    category_id: 5,
    title: '路灯不亮',
    where: '湖心路与柳荫街路口',
    what: '连续三晚不亮',
    ...change,
  })
  return form
}

describe('a question asked while typing', () => {
  it('is asked once things are quiet, and only the last answer counts', async () => {
    const answers: ((rows: { rows: string[] }) => void)[] = []
    const ask = vi.fn(() => new Promise<{ rows: string[] }>((resolve) => answers.push(resolve)))
    const asked = latest<string, string>(ask, 100)
    asked.want('路')
    asked.want('路灯')
    await vi.advanceTimersByTimeAsync(100)
    asked.want('路灯报修')
    await vi.advanceTimersByTimeAsync(100)
    expect(ask.mock.calls).toEqual([['路灯'], ['路灯报修']])
    answers[1]({ rows: ['new'] })
    answers[0]({ rows: ['old'] })
    await nextTick()
    expect([asked.status.value, asked.rows.value]).toEqual(['there', ['new']])
  })

  it('that failed is said to have failed and can be asked again', async () => {
    const ask = vi
      .fn()
      .mockRejectedValueOnce(offline())
      .mockResolvedValue({ rows: [1] })
    const asked = latest<string, number>(ask, 0)
    asked.want('q')
    await vi.advanceTimersByTimeAsync(1)
    expect(asked.status.value).toBe('failed')
    asked.again()
    await vi.advanceTimersByTimeAsync(1)
    expect([asked.status.value, asked.rows.value]).toEqual(['there', [1]])
  })
})

describe('what helps to write', () => {
  it('is asked for when the form says enough, and not before', async () => {
    const scripts = answer('scripts').mockResolvedValue({ rows: [] })
    const knowledge = answer('knowledge').mockResolvedValue({ rows: [] })
    const nearby = answer('nearby').mockResolvedValue({ rows: [{ id: 1 }] })
    const aids = useAids()
    await vi.advanceTimersByTimeAsync(1_000)
    expect([scripts, knowledge, nearby].map((one) => one.mock.calls.length)).toEqual([0, 0, 0])
    const form = useForm()
    await form.open(UID)
    await vi.advanceTimersByTimeAsync(1_000)
    expect(scripts).toHaveBeenCalledWith({ request_type: '', category_id: null })
    form.form.category_id = 5
    await vi.advanceTimersByTimeAsync(1_000)
    expect(knowledge).toHaveBeenCalledWith({ category_id: 5, q: '' })
    expect(nearby).not.toHaveBeenCalled()
    form.form.where = '湖心路'
    await vi.advanceTimersByTimeAsync(1_000)
    expect(nearby).toHaveBeenCalledWith(UID, { category_id: 5, region_id: null, where: '湖心路' })
    expect(aids.nearby).toHaveLength(1)
  })

  it('begins each call with what is known about the caller', async () => {
    for (const name of ['scripts', 'knowledge', 'nearby'] as const)
      answer(name).mockResolvedValue({ rows: [] })
    const aids = useAids()
    await useForm().open(UID)
    await nextTick()
    aids.pane = 'script'
    await useForm().open('pbx1-2.2')
    await nextTick()
    expect(aids.pane).toBe('history')
  })
})

describe('a ticket that may be there already', () => {
  const found = (...ids: number[]) => ({ duplicates: ids.map((id) => ({ id, number: `${id}` })) })

  it('is shown while typing; a save stands still once and goes on with one more key', async () => {
    const check = answer('checkTicket').mockResolvedValue(found(1))
    const duplicates = useDuplicates()
    await written()
    await vi.advanceTimersByTimeAsync(1_000)
    expect(duplicates.rows.map((one) => one.id)).toEqual([1])
    expect(await duplicates.maySave()).toBe(false)
    expect(duplicates.asking).toBe(true)
    expect(await duplicates.maySave()).toBe(true)
    expect(check).toHaveBeenCalledOnce()
  })

  it('is looked for once more at the save when something was typed since', async () => {
    answer('checkTicket').mockResolvedValue(found(2))
    const duplicates = useDuplicates()
    await written()
    expect(await duplicates.maySave()).toBe(false)
  })

  it('found new at the second key is shown too', async () => {
    const check = answer('checkTicket').mockResolvedValueOnce(found(1))
    check.mockResolvedValue(found(1, 2))
    const duplicates = useDuplicates()
    const form = await written()
    expect(await duplicates.maySave()).toBe(false)
    form.form.where = '湖心路 200 号'
    await nextTick()
    expect(await duplicates.maySave()).toBe(false)
    expect(await duplicates.maySave()).toBe(true)
  })

  it('does not hold a save up when the server is slow or away', async () => {
    const check = answer('checkTicket').mockRejectedValueOnce(offline())
    const duplicates = useDuplicates()
    const form = await written()
    expect(await duplicates.maySave()).toBe(true)
    check.mockReturnValue(new Promise(() => undefined))
    form.form.where = '湖心路 200 号'
    await nextTick()
    const saving = duplicates.maySave()
    await vi.advanceTimersByTimeAsync(1_600)
    expect(await saving).toBe(true)
  })
})

describe('files', () => {
  const aFile = (name = '现场.jpg', bytes = 9) => new File(['x'.repeat(bytes)], name)
  const kept = (id: number) => ({ id, name: '现场.jpg', bytes: 9, media_type: 'image/jpeg' })
  const sent = () => vi.mocked(api.upload).mock.calls.at(-1)!

  it('go to the server under the key of the form, and the draft remembers them', async () => {
    answer('upload').mockReturnValue({ done: Promise.resolve(kept(7)), stop: vi.fn() })
    const form = await written()
    const files = useAttachments()
    files.add([aFile()])
    expect(sent()[1]).toBe(form.key)
    await vi.advanceTimersByTimeAsync(1_000)
    expect(files.rows.map((row) => row.state)).toEqual(['there'])
    expect(vi.mocked(api.saveDraft)).toHaveBeenLastCalledWith(
      UID,
      expect.objectContaining({ attachments: [kept(7)] }),
    )
  })

  it('are there again after a reload', async () => {
    answer('draft').mockResolvedValue({
      body: { title: '甲', key: 'k', attachments: [kept(7)] },
      saved_at: 9,
    })
    const files = useAttachments()
    await useForm().open(UID)
    expect(files.rows.map((row) => [row.name, row.state])).toEqual([['现场.jpg', 'there']])
    await useForm().open('pbx1-2.2')
    await vi.runAllTimersAsync()
    newPage()
    answer('draft').mockResolvedValue(null)
    await useForm().open('pbx1-3.3')
    expect(useAttachments().rows).toEqual([])
  })

  it('that fail say why, each for itself, and can be sent again', async () => {
    answer('upload')
      .mockReturnValueOnce({ done: Promise.reject(new ApiError(413, 'too_large', '太大')), stop: vi.fn() })
      .mockReturnValue({ done: Promise.resolve(kept(8)), stop: vi.fn() })
    await written()
    const files = useAttachments()
    files.add([aFile('a.jpg'), aFile('b.jpg'), aFile('c.exe')])
    await vi.advanceTimersByTimeAsync(1)
    expect(files.rows.map((row) => row.state)).toEqual(['failed', 'there', 'failed'])
    expect(files.rows.map((row) => files.canRetry(row))).toEqual([true, false, false])
    await files.send(files.rows[0].key)
    expect(files.rows[0].state).toBe('there')
  })

  it('that are removed leave server and draft', async () => {
    answer('upload').mockReturnValue({ done: Promise.resolve(kept(7)), stop: vi.fn() })
    const drop = answer('dropAttachment').mockResolvedValue(undefined)
    const form = await written()
    const files = useAttachments()
    files.add([aFile()])
    await vi.advanceTimersByTimeAsync(1)
    await files.remove(files.rows[0].key)
    expect(drop).toHaveBeenCalledWith(7)
    expect([files.rows, form.attached]).toEqual([[], []])
  })

  it('are judged before they travel', () => {
    expect(fileFault({ name: 'a.JPG', size: 1 }, 0)).toBeNull()
    expect(fileFault({ name: 'a.exe', size: 1 }, 0)).toBe('kind')
    expect(fileFault({ name: 'a.pdf', size: 0 }, 0)).toBe('empty')
    expect(fileFault({ name: 'a.pdf', size: 21 * 1024 * 1024 }, 0)).toBe('large')
    expect(fileFault({ name: 'a.pdf', size: 1 }, 10)).toBe('many')
    expect([size(830), size(12_300), size(3_565_158)]).toEqual(['830 B', '12 KB', '3.4 MB'])
    expect(pastedName('image.png', '截图', new Date(2026, 10, 21, 9, 5, 7))).toBe('截图-090507.png')
  })
})

describe('saved, and the next call', () => {
  const finish = () => answer('finishAfterCall').mockResolvedValue({ ok: true })

  it('ends after-call work at once', () => {
    const ended = finish()
    useSeat().seat = aSeat({ presence: 'not_ready', reason: 'after_call' })
    useNextCall().goOn()
    expect(ended).toHaveBeenCalledOnce()
  })

  it('during the call waits for its after-call work, and for no other call', async () => {
    const ended = finish()
    vi.stubGlobal('document', undefined)
    const seat = useSeat()
    const next = useNextCall()
    seat.call = aCall({ state: 'talking', answered_at: 4 })
    seat.seat = aSeat({ activity: 'talking', call: UID })
    await nextTick()
    next.after = UID
    seat.call = null
    seat.seat = aSeat({ presence: 'not_ready', reason: 'after_call' })
    await nextTick()
    expect(ended).toHaveBeenCalledOnce()
    next.after = UID
    seat.call = aCall({ uid: 'pbx1-2.2' })
    await nextTick()
    expect(next.after).toBeNull()
  })
})

describe('the rules of pop and form', () => {
  it('know what an element still lacks, by the type of request', () => {
    expect(checkElement('where', '人很多的那边一带')).toBe('thin')
    expect(checkElement('where', '湖心社区 3 幢')).toBe('good')
    expect(checkElement('when', '', 'consultation')).toBe('optional')
    expect(checkElement('when', '', 'complaint')).toBe('missing')
    const form = { ...emptyForm(), request_type: 'consultation', who: '林慧', what: '咨询异地住院报销比例' }
    expect(lacking(form)).toEqual([{ element: 'asked_for', check: 'missing' }])
  })
  it('put knowledge into the answer once, and make the answer a direct one', () => {
    const once = withAnswer({ ...emptyForm(), answer: '您好，', disposition: 'dispatch' }, '24 小时内修复。')
    expect([once.answer, once.disposition]).toEqual(['您好，\n24 小时内修复。', 'direct'])
    expect(withAnswer(once, '24 小时内修复。').answer).toBe(once.answer)
  })
  it('show the gravest note first, and an unknown kind as sensitive', () => {
    const note = (kind: string) => ({ kind, note: '', until: null }) as never
    expect(inOrder([note('language'), note('new'), note('blocked')]).map((one) => one.kind)).toEqual([
      'blocked',
      'sensitive',
      'language',
    ])
  })
  it('take the first node that fits all that was typed', () => {
    const leaf = (id: number, name: string, initials: string) => ({ id, name, initials })
    const tree = [
      { ...leaf(1, '物业管理', 'wygl'), children: [leaf(11, '电梯故障', 'dtgz')] },
      { ...leaf(2, '市政设施', 'szss'), children: [leaf(21, '路灯不亮', 'ldbl')] },
    ]
    expect(['ld', 'ldbl', '市政', 'xyz'].map((typed) => firstFit(tree, typed, false))).toEqual([
      11,
      21,
      21,
      null,
    ])
    expect(firstFit(tree, '市政', true)).toBe(2)
  })
  it('know how a step of a script is answered', () => {
    expect(['where', 'what', 'region_id', 'urgency'].map(stepKind)).toEqual([
      'line',
      'long',
      'tree',
      'choice',
    ])
  })
})
