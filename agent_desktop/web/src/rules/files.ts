/** Files given with a ticket: what may come, how big it is in words, what is new in a list of them. */

/** The server has the last word; what it would refuse anyway need not travel first. */
export const LARGEST_BYTES = 20 * 1024 * 1024
export const MOST_FILES = 9
export const ACCEPTED = '.jpg,.jpeg,.png,.webp,.pdf,.docx,.xlsx,.txt,.mp3,.wav,.mp4,.m4v,.m4a'

export type FileFault = 'empty' | 'large' | 'kind' | 'many'

export function fileFault(file: { name: string; size: number }, already: number): FileFault | null {
  const ending = /\.[^.]+$/.exec(file.name)?.[0].toLowerCase()
  if (already >= MOST_FILES) return 'many'
  if (file.size === 0) return 'empty'
  if (file.size > LARGEST_BYTES) return 'large'
  return ending && ACCEPTED.split(',').includes(ending) ? null : 'kind'
}

/** "830 B", "12 KB", "3.4 MB" */
export function size(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`
  if (bytes < 1024 * 1024) return `${Math.round(bytes / 1024)} KB`
  return `${(bytes / 1024 / 1024).toFixed(1)} MB`
}

const two = (n: number) => String(n).padStart(2, '0')

/** A picture from the clipboard is always called "image.png": its moment tells it from the next one. */
export function pastedName(name: string, word: string, at: Date): string {
  const [, ending] = /^image(\.\w+)$/.exec(name) ?? []
  if (!ending) return name
  return `${word}-${two(at.getHours())}${two(at.getMinutes())}${two(at.getSeconds())}${ending}`
}
