/**
 * The live floor as the server tells it: map, board, wall. Each view is open while some page shows it; between a lost
 * line and the next snapshot everything is "blind", never stale figures that look alive.
 */
import { defineStore } from 'pinia'
import { computed, ref, shallowRef } from 'vue'

import { floorApi } from '../api/floor'
import { laidOver, queuesAfter } from '../floor/merge'
import { makeFeed } from '../floor/feed'
import { askServer, tellServer } from '../push'
import type {
  Blind,
  Board,
  BoardPush,
  FloorPicture,
  FloorSettings,
  MapPush,
  Tile,
  Wall,
  WallPush,
  Watch,
} from '../types/floor'
import { useClock } from './clock'
import { useLine } from './line'
import { useSession } from './session'

export type FloorView = 'map' | 'board' | 'wall'

export const useFloor = defineStore('floor', () => {
  /** seat → tile; a changed tile is another object, the others stay the same. */
  const tiles = shallowRef<ReadonlyMap<string, Tile>>(new Map())
  const watches = shallowRef<Watch[]>([])
  const settings = shallowRef<FloorSettings | null>(null)
  const groups = shallowRef<{ id: number; name: string }[]>([])
  const rooms = shallowRef<string[]>([])
  const myGroup = ref<number | null>(null)
  const board = shallowRef<Board | null>(null)
  const wall = shallowRef<Wall | null>(null)
  /** As the views tell it; the push "link" may know it sooner. */
  const toldBlind = shallowRef<Blind>({})

  const join = <Snapshot>(view: FloorView) => askServer<Snapshot>('floor_open', { view })
  const map = makeFeed<FloorPicture, MapPush>({
    join: () => join('map'),
    leave: () => tellServer('floor_close', { view: 'map' }),
    fetch: () => floorApi.floor(),
    number: (picture) => picture.n,
    takeSnapshot: takePicture,
    takePush(push) {
      if (push.seats.length) tiles.value = laidOver(tiles.value, push.seats)
      if (push.watches) watches.value = push.watches
      if (push.blind) toldBlind.value = push.blind
    },
  })
  const boardFeed = makeFeed<Board, BoardPush>({
    join: () => join('board'),
    leave: () => tellServer('floor_close', { view: 'board' }),
    fetch: () => floorApi.board(),
    number: (snapshot) => snapshot.n,
    takeSnapshot: takeBoard,
    takePush(push) {
      if (!board.value) return
      const queues = queuesAfter(board.value.queues, push.queues)
      takeBoard({ ...board.value, ...push, queues })
    },
  })
  const wallFeed = makeFeed<Wall, WallPush>({
    join: () => join('wall'),
    leave: () => tellServer('floor_close', { view: 'wall' }),
    fetch: () => floorApi.wall(),
    number: (snapshot) => snapshot.n ?? snapshot.board.n,
    takeSnapshot(snapshot) {
      useClock().setServerTime(snapshot.at)
      wall.value = snapshot
      toldBlind.value = snapshot.board.blind
    },
    takePush(push) {
      if (!wall.value) return
      wall.value = { ...wall.value, ...push }
      toldBlind.value = wall.value.board.blind
    },
  })
  const feeds = { map, board: boardFeed, wall: wallFeed }

  function takePicture(picture: FloorPicture): void {
    useClock().setServerTime(picture.at)
    tiles.value = new Map(picture.seats.map((tile) => [tile.seat, tile]))
    watches.value = picture.watches
    settings.value = picture.settings
    groups.value = picture.groups
    rooms.value = picture.rooms
    myGroup.value = picture.me.group_id
    toldBlind.value = picture.board.blind
    // While the board itself is open its own numbers decide.
    if (boardFeed.state.value === 'off') board.value = picture.board
  }
  function takeBoard(next: Board): void {
    board.value = next
    toldBlind.value = next.blind
  }

  /** Since when that PBX cannot be seen (ms), or null: the page's own line, then its link, then what the view says. */
  function blindSince(pbx: string): number | null {
    const line = useLine()
    if (!line.up) return line.lostAt ?? useClock().now
    const link = useSession().links[pbx]
    if (link && (!link.connected || link.desktop_blind))
      return link.blind_since ?? toldBlind.value[pbx] ?? useClock().now
    return link ? null : (toldBlind.value[pbx] ?? null)
  }
  /** pbx → since, of those that cannot be seen now. */
  const blind = computed<Record<string, number>>(() => {
    const known = new Set([...Object.keys(toldBlind.value), ...Object.keys(useSession().links)])
    for (const tile of useLine().up ? [] : tiles.value.values()) known.add(tile.pbx)
    const found: Record<string, number> = {}
    for (const pbx of known) {
      const since = blindSince(pbx)
      if (since !== null) found[pbx] = since
    }
    return found
  })
  const myWatch = computed(() => watches.value.find((one) => one.by === useSession().user?.login) ?? null)

  function keepSettings(next: FloorSettings): void {
    settings.value = next
  }
  /** Places as they were just saved; the pushes bring the same. */
  function keepTiles(changed: Tile[]): void {
    tiles.value = laidOver(tiles.value, changed)
  }
  function keepRooms(names: string[]): void {
    rooms.value = names
  }
  function forget(): void {
    for (const feed of Object.values(feeds)) feed.stop()
    tiles.value = new Map()
    watches.value = []
    board.value = wall.value = null
    toldBlind.value = {}
  }

  return {
    tiles,
    watches,
    settings,
    groups,
    rooms,
    myGroup,
    board,
    wall,
    blind,
    myWatch,
    mapState: map.state,
    boardState: boardFeed.state,
    wallState: wallFeed.state,
    mapFailure: map.failure,
    boardFailure: boardFeed.failure,
    wallFailure: wallFeed.failure,
    open: (view: FloorView) => feeds[view].open(),
    close: (view: FloorView) => feeds[view].close(),
    again: (view: FloorView) => feeds[view].again(),
    heardMap: map.hear,
    heardBoard: boardFeed.hear,
    heardWall: wallFeed.hear,
    connected: () => Object.values(feeds).forEach((feed) => feed.reconnected()),
    awake: () => Object.values(feeds).forEach((feed) => feed.awake()),
    keepSettings,
    keepTiles,
    keepRooms,
    forget,
  }
})
