/** The citizen page's words and rules. Pure. */
import type { EndedBy } from '../softphone/sip'

export type CitizenState = 'idle' | 'calling' | 'talking' | 'ended'

/** The invented numbers that the dialplan lets in. */
export const OWN_NUMBER = /^1990000\d{4}$/
export const KEYS = ['1', '2', '3', '4', '5', '6', '7', '8', '9', '*', '0', '#'] as const
const SPOKEN: Record<string, string> = { '*': '星号键', '#': '井号键' }
const TEST_NAMES: Record<string, string> = { '*': 'star', '#': 'hash' }

export const keyLabel = (key: string): string => SPOKEN[key] ?? `数字 ${key}`
export const keyTestId = (key: string): string => `citizen-key-${TEST_NAMES[key] ?? key}`

export const STATES: Record<CitizenState, string> = {
  idle: '空闲',
  calling: '正在呼叫…',
  talking: '通话中',
  ended: '通话已结束',
}
export const ENDINGS: Record<EndedBy, string> = {
  us: '您已挂断。',
  them: '热线已挂断。',
  media: '网络中断，通话已结束。',
  pbx: '未能接通，请稍后再拨。',
}
export const PROBLEMS = {
  number: '请输入 1990000 开头的 11 位号码。',
  offline: '无法连接服务器，请检查网络后再试。',
  refused: '电话系统未接受此次呼叫，请稍后再试。',
  microphone: '没有可用的麦克风，热线听不到您的声音；按键仍然有效。',
  blocked: '浏览器静音了页面，请点击页面任意位置。',
}

/** "0:07", "12:30": how long a call has lasted. */
export function clock(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000))
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`
}
