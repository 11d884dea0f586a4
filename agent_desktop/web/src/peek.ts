/** The ticket that is looked at without leaving the desk. */
import { ref } from 'vue'

export const peeked = ref<string | null>(null)
