import { describe, expect, it } from 'vitest'

import { asTyped, briefly, endChoices, left, typedMoment } from '../src/announce/until'
import { wavOf } from '../src/announce/wav'

const MINUTE = 60_000
const at = (text: string) => Date.parse(`${text}+08:00`)

describe('when an announcement ends', () => {
  it('is offered in full minutes, at midnight and at eight in the morning of Shanghai', () => {
    const ends = Object.fromEntries(endChoices(at('2026-11-22T14:03:10')).map((one) => [one.code, one.at]))
    expect(ends).toEqual({
      h1: at('2026-11-22T15:04:00'),
      h2: at('2026-11-22T16:04:00'),
      h4: at('2026-11-22T18:04:00'),
      day: at('2026-11-23T00:00:00'),
      morning: at('2026-11-23T08:00:00'),
    })
  })
  it('is never offered where it would be over at once', () => {
    expect(endChoices(at('2026-11-22T23:59:30')).map((one) => one.code)).not.toContain('day')
  })
  it('can be typed', () => {
    expect(typedMoment('2026-11-22T18:30')).toBe(at('2026-11-22T18:30:00'))
    expect(asTyped(at('2026-11-22T18:30:00'))).toBe('2026-11-22T18:30')
    for (const wrong of ['', '18:30', '2026-13-40T99:99']) expect(typedMoment(wrong)).toBeNull()
  })
  it('is told without seconds', () => {
    const today = at('2026-11-22T14:00:00')
    expect(briefly(at('2026-11-22T18:30:00'), today)).toBe('18:30')
    expect(briefly(at('2026-11-23T08:00:00'), today)).toBe('11-23 08:00')
  })
  it('says what is left', () => {
    expect(left(80 * MINUTE, 0)).toEqual({ hours: 1, minutes: 20 })
    expect(left(60 * MINUTE + 40_000, 0)).toEqual({ hours: 1, minutes: 0 })
    expect(left(MINUTE / 2, 0)).toEqual({ hours: 0, minutes: 1 })
    expect(left(0, MINUTE)).toEqual({ hours: 0, minutes: 0 })
  })
})

describe('what is spoken in the page', () => {
  it('is a WAV file of 16 bit', async () => {
    const bytes = new DataView(await wavOf(new Float32Array([0, 1, -2]), 48000).arrayBuffer())
    expect([bytes.byteLength, bytes.getUint32(24, true), bytes.getUint16(34, true)]).toEqual([50, 48000, 16])
    expect([0, 1, 2].map((i) => bytes.getInt16(44 + 2 * i, true))).toEqual([0, 32767, -32767])
  })
})
