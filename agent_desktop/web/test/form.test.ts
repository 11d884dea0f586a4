import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'

import { ApiError } from '../src/api'
import { checkElement, emptyForm, missing, newKey, toTicket } from '../src/rules/form'
import { shelf } from '../src/shelf'
import { useForm } from '../src/stores/form'
import { answer, newBrowser, newPage, offline } from './setting'

const UID = 'pbx1-1.1'
const aCitizen = {
  id: 3,
  name: '张建华',
  gender: 'male',
  address: null,
  note: null,
  language: null,
  numbers: [],
  open_tickets: 0,
  ticket_count: 0,
}
let put: ReturnType<typeof answer>
let get: ReturnType<typeof answer>

beforeEach(() => {
  vi.useFakeTimers()
  newBrowser()
  put = answer('saveDraft').mockResolvedValue({ saved_at: 42 })
  get = answer('draft').mockResolvedValue(null)
})
afterEach(() => {
  vi.useRealTimers()
  vi.restoreAllMocks()
})

async function openForm(uid = UID) {
  const form = useForm()
  await form.open(uid)
  return form
}
const sent = () => put.mock.calls.at(-1)?.[1]

describe('a draft', () => {
  it('is on the server within a second after the typing stops, in one request', async () => {
    const form = await openForm()
    for (const text of ['烧', '烧烤', '烧烤店']) {
      form.form.title = text
      await vi.advanceTimersByTimeAsync(200)
    }
    expect(put).not.toHaveBeenCalled()
    await vi.advanceTimersByTimeAsync(999)
    expect(put).toHaveBeenCalledOnce()
    expect(sent()).toMatchObject({ title: '烧烤店', key: form.key })
    expect(form.draftState).toBe('saved')
    expect(form.savedAt).toBe(42)
  })

  it('is in this browser at once, and leaves it when the server has it', async () => {
    const form = await openForm()
    form.form.what = '油烟直排'
    expect(shelf.get(7, UID)?.body.what).toBe('油烟直排')
    await vi.advanceTimersByTimeAsync(1_000)
    expect(shelf.get(7, UID)).toBeNull()
  })

  it('that the server cannot take is kept here, said so, and sent later', async () => {
    put.mockRejectedValue(offline())
    const form = await openForm()
    form.form.what = '油烟直排'
    await vi.advanceTimersByTimeAsync(1_000)
    expect(form.draftState).toBe('unsaved')
    expect(shelf.get(7, UID)).not.toBeNull()
    put.mockResolvedValue({ saved_at: 43 })
    await vi.advanceTimersByTimeAsync(10_000)
    expect(form.draftState).toBe('saved')
    expect(shelf.get(7, UID)).toBeNull()
  })

  it('comes back from this browser after a reload without a server', async () => {
    put.mockRejectedValue(offline())
    get.mockRejectedValue(offline())
    const before = await openForm()
    before.form.what = '油烟直排'
    const key = before.key
    newPage()
    const after = await openForm()
    expect(after.form.what).toBe('油烟直排')
    expect(after.key).toBe(key)
  })

  it('comes back from the server after a reload', async () => {
    get.mockResolvedValue({ body: { title: '路灯不亮', key: 'k' }, saved_at: 9 })
    const form = await openForm()
    await vi.runAllTimersAsync()
    expect([form.form.title, form.key, form.draftState]).toEqual(['路灯不亮', 'k', 'saved'])
    expect(put).not.toHaveBeenCalled()
  })

  it('of the server does not overwrite what was typed while it was fetched', async () => {
    let deliver: (draft: unknown) => void = () => undefined
    get.mockReturnValue(new Promise((resolve) => (deliver = resolve)))
    const form = useForm()
    const opening = form.open(UID)
    form.form.title = '自来水发黄'
    deliver({ body: { title: '旧' }, saved_at: 9 })
    await opening
    expect(form.form.title).toBe('自来水发黄')
  })

  it('comes back even when the caller was recognised before it', async () => {
    let deliver: (draft: unknown) => void = () => undefined
    get.mockReturnValue(new Promise((resolve) => (deliver = resolve)))
    const form = useForm()
    const opening = form.open(UID)
    form.chooseCitizen(aCitizen)
    deliver({ body: { title: '路灯不亮', who: '张建华' }, saved_at: 9 })
    await opening
    expect(form.form.title).toBe('路灯不亮')
  })

  it('typed on while the last one was on its way is sent again', async () => {
    const form = await openForm()
    put.mockImplementationOnce(async () => {
      form.form.title = '二'
      return { saved_at: 1 }
    })
    form.form.title = '一'
    await vi.advanceTimersByTimeAsync(3_000)
    expect(put).toHaveBeenCalledTimes(2)
    expect(sent()).toMatchObject({ title: '二' })
  })

  it('is brought to the server when another call takes the form', async () => {
    const form = await openForm()
    form.form.title = '路灯不亮'
    await form.open('pbx1-2.2')
    expect(put).toHaveBeenCalledWith(UID, expect.objectContaining({ title: '路灯不亮' }))
    expect(form.form.title).toBe('')
  })

  it('of an earlier call is offered back, wherever it lies', async () => {
    answer('drafts').mockResolvedValue([{ call_uid: 'a', body: { title: '甲' }, saved_at: 5 }])
    shelf.put(7, { call_uid: 'b', body: { title: '乙' }, changed_at: 6 })
    const form = useForm()
    await form.loadOthers()
    expect(form.others.map((draft) => draft.call_uid)).toEqual(['b', 'a'])
  })

  it('is not made by choosing who is calling', async () => {
    const form = await openForm()
    form.chooseCitizen(aCitizen)
    await vi.runAllTimersAsync()
    expect(form.form.who).toBe('张建华')
    expect(put).not.toHaveBeenCalled()
  })
})

describe('saving', () => {
  async function filled() {
    const form = await openForm()
    Object.assign(form.form, {
      request_type: 'complaint',
      category_id: 5,
      title: '油烟',
      what: '油烟直排扰民',
    })
    return form
  }

  it('says what is missing and sends nothing', async () => {
    const save = answer('saveTicket')
    const form = await openForm()
    form.form.disposition = 'direct'
    await form.submit((field) => `need ${field}`)
    expect(Object.keys(form.faults)).toEqual(['request_type', 'category_id', 'title', 'what', 'answer'])
    expect(save).not.toHaveBeenCalled()
  })

  it('repeated after a failure uses the same key, so it is one ticket', async () => {
    const save = answer('saveTicket').mockRejectedValueOnce(offline())
    save.mockResolvedValue({ number: '261121000123' })
    const form = await filled()
    await expect(form.submit(String)).rejects.toThrow(ApiError)
    await form.submit(String)
    const keys = save.mock.calls.map((call) => call[1])
    expect(keys[0]).toBe(keys[1])
    expect(form.ticket?.number).toBe('261121000123')
  })

  it('waits for a draft on its way and leaves none behind', async () => {
    const order: string[] = []
    put.mockImplementation(async () => {
      await new Promise((resolve) => setTimeout(resolve, 300))
      order.push('draft')
      return { saved_at: 1 }
    })
    answer('saveTicket').mockImplementation(async () => (order.push('ticket'), { number: '1' }))
    const form = await filled()
    await vi.advanceTimersByTimeAsync(700)
    const saving = form.submit(String)
    await vi.runAllTimersAsync()
    await saving
    expect(order).toEqual(['draft', 'ticket'])
    expect(shelf.get(7, UID)).toBeNull()
  })

  it('keeps the sentences of the server by their fields', async () => {
    answer('saveTicket').mockRejectedValue(
      new ApiError(422, 'invalid', '有内容需要更正', { where: '请写明地点' }),
    )
    const form = await filled()
    await expect(form.submit(String)).rejects.toThrow()
    expect(form.faults.where).toBe('请写明地点')
  })

  it('one more ticket for the same call has a key of its own', async () => {
    answer('saveTicket').mockResolvedValue({ number: '1' })
    const form = await filled()
    const first = form.key
    await form.submit(String)
    form.another()
    expect(form.ticket).toBeNull()
    expect(form.key).not.toBe(first)
  })
})

describe('the rules of the form', () => {
  it('check the five elements', () => {
    expect(checkElement('what', ' ')).toBe('missing')
    expect(checkElement('what', '噪音')).toBe('thin')
    expect(checkElement('what', '楼下烧烤店夜间油烟扰民')).toBe('good')
  })
  it('want a unit for a dispatch', () => {
    const form = {
      ...emptyForm(),
      request_type: 'help',
      category_id: 1,
      title: '一',
      what: '二',
      disposition: 'dispatch' as const,
    }
    expect(missing(form)).toEqual(['unit_id'])
  })
  it('send only what belongs to the disposition', () => {
    const form = { ...emptyForm(), answer: '已答复', unit_id: 4, disposition: 'direct' as const }
    expect(toTicket(form, UID)).toMatchObject({
      answer: '已答复',
      unit_id: null,
      citizen: null,
      call_uid: UID,
    })
  })
  it('make keys that look like UUIDs', () => {
    expect(newKey()).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}$/)
  })
})
