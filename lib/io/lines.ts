/**
 * Lines of a text that comes bit by bit: what a process writes.
 * @module
 */

/** Cuts a stream of text into lines. */
export class TextLineStream extends TransformStream<string, string> {
  /** What ends without a line's end is its last line. */
  constructor() {
    let rest = "";
    super({
      transform(text, controller) {
        const lines = (rest + text).split("\n");
        rest = lines.pop()!;
        for (const line of lines) controller.enqueue(line);
      },
      flush(controller) {
        if (rest !== "") controller.enqueue(rest);
      },
    });
  }
}
