/** The ticket form as plain data: what an empty one is, the five elements, what must not be missing. */
import type { TicketForm } from '../types'

export function emptyForm(): TicketForm {
  return {
    request_type: '',
    category_id: null,
    region_id: null,
    title: '',
    who: '',
    when: '',
    where: '',
    what: '',
    asked_for: '',
    urgency: 'normal',
    confidential: false,
    disposition: null,
    answer: '',
    unit_id: null,
    citizen_id: null,
    citizen_name: '',
    citizen_gender: '',
  }
}

export const ELEMENTS = ['who', 'when', 'where', 'what', 'asked_for'] as const
export type Element = (typeof ELEMENTS)[number]

/** Shorter than this says too little: "噪音" is a word, not what happened. */
const ENOUGH: Record<Element, number> = { who: 1, when: 2, where: 3, what: 8, asked_for: 4 }

/** Without one of these signs nobody could find the moment or the place. */
const SIGNS: Partial<Record<Element, RegExp>> = {
  when: /[0-9一二三四五六七八九十两半今昨前近当每刚早晚夜午凌晨周月年日天时点节现起]|长期|一直|刚才/,
  where:
    /[0-9路街道巷弄村镇乡区苑园号幢栋楼室口站桥校院场厂店门市府库河湖江旁侧处]|大厦|公寓|家中|网上|线上|不详/,
}
/** A question about rules happens nowhere, and a suggestion at no time. */
const OPTIONAL: Record<string, readonly Element[]> = {
  consultation: ['when', 'where'],
  suggestion: ['when'],
}

export type ElementCheck = 'missing' | 'optional' | 'thin' | 'good'

export function checkElement(element: Element, text: string, requestType = ''): ElementCheck {
  const words = text.trim()
  if (!words) return OPTIONAL[requestType]?.includes(element) ? 'optional' : 'missing'
  const enough = [...words].length >= ENOUGH[element] && (SIGNS[element]?.test(words) ?? true)
  return enough ? 'good' : 'thin'
}

/** The elements that a good ticket still lacks, in the order of the form. */
export function lacking(form: TicketForm): { element: Element; check: 'missing' | 'thin' }[] {
  return ELEMENTS.flatMap((element) => {
    const check = checkElement(element, form[element], form.request_type)
    return check === 'missing' || check === 'thin' ? [{ element, check }] : []
  })
}

const LONGEST_ANSWER = 8000

/** The form with `text` at the end of its answer, once; an answer is given directly, so the way of handling follows. */
export function withAnswer(form: TicketForm, text: string): TicketForm {
  const before = form.answer.trimEnd()
  const joined = before.includes(text.trim()) ? form.answer : [before, text.trim()].filter(Boolean).join('\n')
  return { ...form, answer: joined.slice(0, LONGEST_ANSWER), disposition: 'direct' }
}

/** Is there enough to look for the same matter: what it is about, and where or what exactly? */
export function isComparable(form: TicketForm): boolean {
  const said =
    form.region_id !== null || [form.where, form.title, form.what].some((text) => text.trim().length > 3)
  return form.category_id !== null && said
}

/** Names of the fields without which no ticket can be saved, in the order of the screen. */
export function missing(form: TicketForm): (keyof TicketForm)[] {
  const wanted: (keyof TicketForm)[] = ['request_type', 'category_id', 'title', 'what']
  if (form.disposition === 'direct') wanted.push('answer')
  if (form.disposition === 'dispatch') wanted.push('unit_id')
  return wanted.filter((name) => form[name] === null || String(form[name]).trim() === '')
}

/** Has anything been typed or chosen that would be a pity to lose? */
export function isTouched(form: TicketForm): boolean {
  const empty = emptyForm()
  const written: (keyof TicketForm)[] = ['citizen_id', 'citizen_name', 'citizen_gender', 'who', 'urgency']
  return (Object.keys(empty) as (keyof TicketForm)[]).some(
    (name) => !written.includes(name) && form[name] !== empty[name] && form[name] !== '',
  )
}

/** The form and its key as the server's draft and localStorage hold them, back as a whole form. */
export function fromDraft(body: Partial<TicketForm>): TicketForm {
  const form = emptyForm()
  for (const name of Object.keys(form) as (keyof TicketForm)[]) {
    if (body[name] !== undefined) Object.assign(form, { [name]: body[name] })
  }
  return form
}

/** The body of POST /api/tickets. */
export function toTicket(form: TicketForm, callUid: string | null): Record<string, unknown> {
  const { citizen_id, citizen_name, citizen_gender, ...fields } = form
  const known = citizen_id !== null || citizen_name.trim() !== ''
  return {
    ...fields,
    call_uid: callUid,
    answer: form.disposition === 'direct' ? form.answer : null,
    unit_id: form.disposition === 'dispatch' ? form.unit_id : null,
    citizen: known ? { id: citizen_id, name: citizen_name.trim(), gender: citizen_gender || null } : null,
  }
}

/** A fresh Idempotency-Key. `crypto.randomUUID` exists only on https and localhost; halls also use plain http. */
export function newKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('')
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `4${hex.slice(13, 16)}`,
    `a${hex.slice(17, 20)}`,
    hex.slice(20),
  ].join('-')
}
