import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

import ts from 'typescript'
import { describe, expect, it } from 'vitest'
import { parse } from 'vue/compiler-sfc'

import zhCN from '../src/i18n/zh-CN'

const SRC = join(import.meta.dirname, '../src')
/** Where texts may stand: the desk's, and the citizen page's own. */
const TEXTS = ['i18n/zh-CN.ts', 'citizen/words.ts']
const CHINESE = /\p{Script=Han}/u
/** Attributes that people read or hear. */
const SAID = ['aria-label', 'aria-description', 'alt', 'label', 'placeholder', 'title']
/** Names of keys are the same in every language. */
const KEY = /^(?:(?:Ctrl|Alt|Shift)\+)?(?:F\d+|[A-Z]|Enter|Esc)$|^[−+]?\d*s$/

interface Node {
  content?: unknown
  props?: { name: string; value?: { content: string }; exp?: { content: string } }[]
  children?: Node[]
}

const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .map((file) => file.replaceAll('\\', '/'))
  .filter((file) => /\.(?:vue|ts)$/.test(file) && !TEXTS.includes(file))
const sources = files.map((file) => {
  const text = readFileSync(join(SRC, file), 'utf8')
  if (file.endsWith('.ts')) return { file, script: text, template: null }
  const { descriptor } = parse(text, { templateParseOptions: { comments: false } })
  const script = [descriptor.script, descriptor.scriptSetup].map((one) => one?.content ?? '').join('\n')
  return { file, script, template: descriptor.template?.ast as Node | undefined }
})

/** Every string in a script, without comments and regular expressions. */
function strings(script: string): string[] {
  const found: string[] = []
  const visit = (node: ts.Node) => {
    if (ts.isStringLiteralLike(node) || ts.isTemplateHead(node) || ts.isTemplateMiddleOrTemplateTail(node))
      found.push(node.text)
    ts.forEachChild(node, visit)
  }
  visit(ts.createSourceFile('a.ts', script, ts.ScriptTarget.Latest))
  return found
}
function walk(node: Node, see: (node: Node) => void): void {
  see(node)
  node.children?.forEach((child) => walk(child, see))
}
const filled = (text: unknown): text is string => typeof text === 'string'

/** What a template says without asking for it: texts, and attributes that are read. */
function said(template: Node): string[] {
  const found: string[] = []
  walk(template, ({ content, props }) => {
    if (filled(content) && /\p{L}/u.test(content) && !KEY.test(content.trim())) found.push(content.trim())
    for (const { name, value } of props ?? [])
      if (SAID.includes(name) && value && /\p{L}/u.test(value.content)) found.push(value.content)
  })
  return found
}
/** What stands in the expressions of a template. */
function expressions(template: Node): string[] {
  const found: string[] = []
  walk(template, ({ content, props }) => {
    if (!filled(content)) found.push((content as { content?: string } | undefined)?.content ?? '')
    for (const { exp } of props ?? []) found.push(exp?.content ?? '')
  })
  return found
}
/** Whether a key, or for one that ends with a dot its group, is there. */
function there(key: string): boolean {
  let at: unknown = zhCN
  for (const step of key.split('.').filter(Boolean)) at = (at as Record<string, unknown> | undefined)?.[step]
  return typeof at === (key.endsWith('.') ? 'object' : 'string')
}

describe('every text on screen', () => {
  it('is asked for by its key, in scripts and templates', () => {
    const wrong = sources.flatMap(({ file, script, template }) => [
      ...strings(script)
        .concat(template ? expressions(template) : [])
        .filter((text) => CHINESE.test(text))
        .map((text) => `${file}: ${text}`),
      ...(template ? said(template) : []).map((text) => `${file}: ${text}`),
    ])
    expect(wrong).toEqual([])
  })
  it('is there for each key that is asked for', () => {
    const asked = sources.flatMap(({ file, script, template }) =>
      [script, ...(template ? expressions(template) : [])]
        .flatMap((text) => [...text.matchAll(/\bt\(\s*(?:'([\w.-]+)'|`([\w.-]+\.)\$\{)/g)])
        .map((hit) => ({ file, key: hit[1] ?? hit[2] })),
    )
    expect(asked.length).toBeGreaterThan(400)
    expect(asked.filter(({ key }) => !there(key))).toEqual([])
  })
})
