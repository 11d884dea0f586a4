import { describe, expect, it } from 'vitest'

import { clock, keyLabel, KEYS, keyTestId, OWN_NUMBER } from '../src/citizen/words'

describe('the citizen page', () => {
  it('takes only the invented numbers that the dialplan lets in', () => {
    expect(OWN_NUMBER.test('19900001234')).toBe(true)
    for (const other of ['13812345678', '1990000123', '199000012345', '1990000123a', '110', ''])
      expect(OWN_NUMBER.test(other)).toBe(false)
  })
  it('names each key for ears and for tests', () => {
    expect(KEYS).toHaveLength(12)
    expect([keyLabel('5'), keyLabel('*'), keyLabel('#')]).toEqual(['数字 5', '星号键', '井号键'])
    expect([keyTestId('1'), keyTestId('*'), keyTestId('#')]).toEqual([
      'citizen-key-1',
      'citizen-key-star',
      'citizen-key-hash',
    ])
  })
  it('tells how long a call has lasted', () => {
    expect([clock(-5), clock(7_900), clock(750_000)]).toEqual(['0:00', '0:07', '12:30'])
  })
})
