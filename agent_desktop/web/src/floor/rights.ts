/** On whose seats a person may act; the same table as agent_desktop/floor_rights.py, which decides. */
import type { Role } from '../types'

export const OF_THE_WHOLE_FLOOR: readonly Role[] = ['supervisor', 'administrator']

export function mayActOn(role: Role | undefined, group: number | null, agentGroup: number | null): boolean {
  if (role && OF_THE_WHOLE_FLOOR.includes(role)) return true
  return role === 'shift_leader' && (group === null || group === agentGroup)
}
