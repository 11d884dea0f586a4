/** Searching the category, region and unit trees: by words of the path, or by pinyin initials. */
import type { TreeNode } from '../types'

/** Does `node`, whose ancestors are `path` (names, root first), fit what was typed? Every word must. */
export function fits(typed: string, path: string[], initials = ''): boolean {
  const words = typed.toLowerCase().split(/\s+/).filter(Boolean)
  const place = path.join('/').toLowerCase()
  return words.every((word) => place.includes(word) || initials.toLowerCase().includes(word))
}

/** The nodes from the root to the node with `id`; empty when there is none. */
export function pathTo(tree: TreeNode[], id: number | null): TreeNode[] {
  for (const node of tree) {
    if (node.id === id) return [node]
    const below = pathTo(node.children ?? [], id)
    if (below.length) return [node, ...below]
  }
  return []
}

export function pathName(tree: TreeNode[], id: number | null, joint = ' / '): string {
  return pathTo(tree, id)
    .map((node) => node.name)
    .join(joint)
}

/** The first node in the order of the tree that fits what was typed; only a leaf unless branches may be chosen. */
export function firstFit(
  tree: TreeNode[],
  typed: string,
  branches: boolean,
  path: string[] = [],
  initials = '',
): number | null {
  for (const node of tree) {
    const names = [...path, node.name]
    const letters = initials + (node.initials ?? '')
    const leaf = !node.children?.length
    if ((leaf || branches) && fits(typed, names, letters)) return node.id
    const below = firstFit(node.children ?? [], typed, branches, names, letters)
    if (below !== null) return below
  }
  return null
}
