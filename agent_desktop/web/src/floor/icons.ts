/** A shape for each state of a seat: colour alone says nothing to who does not see it. */
import {
  BellFilled,
  CircleCheckFilled,
  Clock,
  EditPen,
  Hide,
  PhoneFilled,
  Position,
  SwitchButton,
  Timer,
  VideoPause,
  View,
  WarningFilled,
} from '@element-plus/icons-vue'
import type { Component } from 'vue'

import HandUp from './HandUp.vue'
import type { Shown } from './rules'

export const STATE_ICONS: Record<Shown, Component> = {
  signed_out: SwitchButton,
  ready: CircleCheckFilled,
  not_ready: Clock,
  after_call: EditPen,
  ringing: BellFilled,
  dialing: Position,
  talking: PhoneFilled,
  holding: VideoPause,
  unreachable: WarningFilled,
  help: HandUp,
  late: Timer,
  watched: View,
  blind: Hide,
}
