import { describe, expect, it } from 'vitest'

import { heardAt, placed } from '../src/rules/parts'
import type { CallPart } from '../src/types'

const part = (kind: string, from_s: number, to_s: number): CallPart => ({
  kind,
  label: kind,
  agent_name: null,
  from_s,
  to_s,
  seconds: to_s - from_s || 30,
})
const PARTS = [
  part('agent', 0, 40),
  part('consult', 10, 10),
  part('recording_paused', 20, 25),
  part('party', 10, 40),
  part('outside', 40, 80),
]

describe('the parts of a call below its recording', () => {
  it('lie where they are heard; what was not recorded is a mark', () => {
    expect(placed(PARTS, 80).map((one) => [one.part.kind, one.row, one.left, one.width, one.mark])).toEqual([
      ['agent', 0, 0, 50, false],
      ['consult', 1, 12.5, 0, true],
      ['recording_paused', 1, 25, 6.25, false],
      ['party', 1, 12.5, 37.5, false],
      ['outside', 0, 50, 50, false],
    ])
  })

  it('end with a recording that is shorter than the ledger says', () => {
    expect(placed(PARTS, 60).at(-1)).toMatchObject({
      left: expect.closeTo(66.67, 1),
      width: expect.closeTo(33.33, 1),
    })
    expect(placed(PARTS, 0)).toEqual([])
  })

  it('say what is heard now, the smallest first', () => {
    expect(heardAt(PARTS, 22).map((one) => one.kind)).toEqual(['recording_paused', 'party', 'agent'])
    expect(heardAt(PARTS, 10).map((one) => one.kind)).toEqual(['party', 'agent'])
    expect(heardAt(PARTS, 80)).toEqual([])
  })
})
