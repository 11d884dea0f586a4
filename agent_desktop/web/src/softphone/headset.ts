/** Hear yourself as a citizen would: a few seconds of the microphone, to be played back. */

/** Record `stream` for `ms`; the result can be decoded by the browser that made it. */
export function record(stream: MediaStream, ms: number): Promise<Blob> {
  const recorder = new MediaRecorder(stream)
  const parts: Blob[] = []
  recorder.ondataavailable = ({ data }) => parts.push(data)
  return new Promise((done, fail) => {
    recorder.onerror = () => fail(new Error('not recorded'))
    recorder.onstop = () => done(new Blob(parts, { type: recorder.mimeType }))
    recorder.start()
    setTimeout(() => recorder.state !== 'inactive' && recorder.stop(), ms)
  })
}
