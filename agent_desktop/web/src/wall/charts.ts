/** The parts of ECharts that the wall uses, and the options of its two charts. Loaded with the wall only. */
import { BarChart, LineChart } from 'echarts/charts'
import { GridComponent, MarkLineComponent } from 'echarts/components'
import { type EChartsCoreOption, init, use } from 'echarts/core'
import { CanvasRenderer } from 'echarts/renderers'

import { axisTop, peakOf, STEPS_A_DAY, stepAt } from '../rules/wall'
import type { WallDay } from '../types/floor'

use([BarChart, LineChart, GridComponent, MarkLineComponent, CanvasRenderer])

export { init }
export type DayChartKind = 'calls' | 'load'

/** Readable side by side on a dark ground, also for those who see red and green alike: they differ in brightness. */
export const COLOURS = {
  offered: '#4f7fbf',
  answered: '#5fe0a4',
  abandoned: '#ff6b5e',
  forecast: '#ffd166',
  waiting: '#ff9d5c',
  seats: '#8ab8ff',
  ink: '#c8d7ea',
  grid: 'rgb(200 215 234 / 14%)',
}
/** What each chart draws, in the order of its legend. */
export const SERIES = {
  calls: ['offered', 'answered', 'abandoned', 'forecast'],
  load: ['waiting', 'seats'],
} as const

/** Where each line stands between the two charts; the hours are written under every second one. */
const PARTS = 4

export interface ChartLook {
  kind: DayChartKind
  day: WallDay
  now: number
  /** Length of a "pixel" of 1920×1080. */
  unit: number
  /** Size of the writing on the axes, in those pixels. */
  text: number
  nowWord: string
  /** "11:00" under every so many hours. */
  everyHours: number
  /** Of the page: a canvas inherits none. */
  font: string
  /** Room for a second axis also where there is none, so that charts above each other stand in line. */
  aligned: boolean
}

function axis(look: ChartLook, top: number, right = false) {
  return {
    type: 'value',
    min: 0,
    max: top,
    interval: top / PARTS,
    position: right ? 'right' : 'left',
    axisLabel: { color: COLOURS.ink, fontSize: look.text * look.unit, margin: 10 * look.unit },
    splitLine: { show: !right, lineStyle: { color: COLOURS.grid, width: look.unit } },
  }
}

/** "Now" as a thin upright line with its word on top. */
function nowLine(look: ChartLook) {
  return {
    silent: true,
    animation: false,
    symbol: 'none',
    lineStyle: { color: '#fff', width: 2 * look.unit, type: 'solid', opacity: 0.8 },
    label: {
      formatter: look.nowWord,
      color: '#fff',
      fontSize: look.text * look.unit * 0.9,
      distance: 4 * look.unit,
    },
    data: [{ xAxis: Math.min(STEPS_A_DAY - 1, Math.floor(stepAt(look.now))) }],
  }
}

const line = (look: ChartLook, name: keyof WallDay & keyof typeof COLOURS, more: object = {}) => ({
  name,
  type: 'line',
  data: look.day[name],
  symbol: 'none',
  connectNulls: false,
  silent: true,
  lineStyle: { color: COLOURS[name], width: 5 * look.unit },
  itemStyle: { color: COLOURS[name] },
  ...more,
})
const bar = (look: ChartLook, name: keyof WallDay & keyof typeof COLOURS, more: object = {}) => ({
  name,
  type: 'bar',
  data: look.day[name],
  silent: true,
  barCategoryGap: '12%',
  itemStyle: { color: COLOURS[name] },
  ...more,
})

export function dayOption(look: ChartLook): EChartsCoreOption {
  const { day, unit, text } = look
  const every = look.everyHours * 4
  const common = {
    animation: false,
    textStyle: { fontFamily: look.font },
    grid: {
      left: text * unit * 4,
      right: text * unit * (look.aligned || look.kind === 'load' ? 3.5 : 1),
      top: text * unit * 1.8,
      bottom: text * unit * 1.7,
    },
    xAxis: {
      type: 'category',
      data: day.steps,
      boundaryGap: true,
      axisTick: { show: false },
      axisLine: { lineStyle: { color: COLOURS.grid, width: unit } },
      axisLabel: {
        color: COLOURS.ink,
        fontSize: text * unit,
        margin: 12 * unit,
        interval: (i: number) => i % every === 0,
      },
    },
  }
  if (look.kind === 'calls') {
    const top = axisTop(peakOf([day.offered, day.forecast], 8), PARTS)
    return {
      ...common,
      yAxis: axis(look, top),
      series: [
        bar(look, 'offered', { barGap: '-100%', markLine: nowLine(look) }),
        bar(look, 'abandoned', { z: 3 }),
        // Of the quarter that is under way not all have been answered yet: the line ends before it.
        line(look, 'answered', { z: 4, data: day.answered.slice(0, Math.floor(stepAt(look.now))) }),
        line(look, 'forecast', {
          z: 5,
          smooth: 0.3,
          lineStyle: { color: COLOURS.forecast, width: 4 * unit, type: [12 * unit, 9 * unit] },
        }),
      ],
    }
  }
  const waitingTop = axisTop(peakOf([day.waiting], 4), PARTS)
  const seatsTop = axisTop(peakOf([day.seats], 8), PARTS)
  const right = axis(look, seatsTop, true)
  return {
    ...common,
    yAxis: [
      {
        ...axis(look, waitingTop),
        axisLabel: { ...axis(look, waitingTop).axisLabel, color: COLOURS.waiting },
      },
      { ...right, axisLabel: { ...right.axisLabel, color: COLOURS.seats } },
    ],
    series: [
      bar(look, 'waiting', { markLine: nowLine(look) }),
      line(look, 'seats', { yAxisIndex: 1, step: 'middle' }),
    ],
  }
}
