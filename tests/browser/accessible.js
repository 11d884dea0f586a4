// What the accessibility tests ask of a page. axe-core is there already.
window.access = {
  /** Serious findings of axe-core inside `within`, and states that only a colour tells. */
  async faults(within) {
    const { violations } = await axe.run(within, { resultTypes: ['violations'] })
    const grave = violations.filter((one) => ['serious', 'critical'].includes(one.impact))
    const found = grave.flatMap(({ id, nodes }) =>
      nodes.map((node) => `${id}: ${node.target} ${node.any[0]?.message ?? ''} ${node.html.slice(0, 160)}`),
    )
    for (const one of document.querySelectorAll('.chip, .lamp, .state, .draft, .count, .notice, .banner'))
      if (one.checkVisibility() && !one.closest('[aria-hidden=true]') && !one.textContent.trim())
        found.push(`only a colour: ${one.outerHTML.slice(0, 160)}`)
    return found
  },

  /** Where Tab has led: 'again', 'nowhere', 'seen', or what has the focus without showing it. */
  stop() {
    const at = document.activeElement
    if (!at || at === document.body) return 'nowhere'
    // A field for a date has stops within: year, month, day.
    if (at === this.last && at.type?.match(/date|time/)) return 'seen'
    this.last = at
    if (at.dataset.walked) return 'again'
    at.dataset.walked = 'yes'
    const rings = (one) => {
      const { outlineStyle, outlineWidth, boxShadow } = getComputedStyle(one)
      return (outlineStyle !== 'none' && parseFloat(outlineWidth) >= 2) || /0px 0px 0px [2-9]px/.test(boxShadow)
    }
    // A field may show it on its frame, a hidden radio on the button that people see.
    const label = at.closest('label') ?? at.parentElement
    const frames = [at, label, label?.parentElement, at.nextElementSibling].filter(Boolean)
    return frames.some(rings) ? 'seen' : at.outerHTML.slice(0, 200)
  },

  /** What can be worked inside `within` and was not a stop. In a group that arrows walk one member is enough. */
  missed(within) {
    const can = 'a[href], button, input, select, textarea, summary, [tabindex="0"], [role=tab], [role=option]'
    const walked = (one) => one.dataset.walked || one.querySelector('[data-walked]')
    const out = [...document.querySelector(within).querySelectorAll(can)].filter((one) => {
      if (!one.checkVisibility({ visibilityProperty: true }) || one.disabled || walked(one)) return false
      // Not for keys: what is not seen, and the chips of the five elements, which lead to fields that are stops.
      if (one.closest('[aria-hidden=true], [inert], .sr') || one.dataset.element) return false
      const group = one.closest('[role=tablist], [role=listbox], [role=menu], [role=radiogroup], [data-arrows]')
      if (group && walked(group)) return false
      if (one.type === 'radio') return ![...document.getElementsByName(one.name)].some(walked)
      return true
    })
    this.last = null
    for (const one of document.querySelectorAll('[data-walked]')) delete one.dataset.walked
    return out.map((one) => one.outerHTML.slice(0, 200))
  },
}
