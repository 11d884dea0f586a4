/** The telephone of one visit: asked of the server without log-in, given back at its end. */
import type { Account } from '../softphone/sip'

export class NoTelephone extends Error {}

async function token(): Promise<string> {
  const answer = await fetch('/api/session', { credentials: 'same-origin' })
  return ((await answer.json()) as { csrf: string }).csrf
}

export class Visit {
  private constructor(
    readonly account: Account,
    private readonly csrf: string,
  ) {}

  /** Raises NoTelephone with a sentence; '' when the server was not reached. */
  static async begin(): Promise<Visit> {
    let answer: Response
    let csrf: string
    try {
      csrf = await token()
      answer = await fetch('/api/citizen/phone', {
        method: 'POST',
        credentials: 'same-origin',
        headers: { 'X-CSRF-Token': csrf },
      })
    } catch {
      throw new NoTelephone('')
    }
    const said = await answer.json().catch(() => ({}))
    if (!answer.ok) throw new NoTelephone(said.message ?? '')
    return new Visit(said as Account, csrf)
  }
  /** Works while the page is going away too. What does not arrive is taken back by the server's clock. */
  end(): void {
    void fetch(`/api/citizen/phone?user=${encodeURIComponent(this.account.user)}`, {
      method: 'DELETE',
      credentials: 'same-origin',
      keepalive: true,
      headers: { 'X-CSRF-Token': this.csrf },
    }).catch(() => undefined)
  }
}
