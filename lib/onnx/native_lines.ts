/**
 * What native libraries write to the error stream themselves, past every level of logging.
 * @module
 */

/** The C library by system; of others nothing is kept back. */
const LIBC: Partial<Record<typeof Deno.build.os, string>> = {
  linux: "libc.so.6",
  darwin: "libSystem.B.dylib",
};

const STDERR = 2;

/**
 * Does something while what is written to the error stream goes nowhere: drivers that look for a GPU say
 * there what the error in the end says in one line. With `DEBUG` set all is shown.
 * @param work whatever else writes meanwhile is lost too
 */
export async function withoutNativeLines<T>(work: () => Promise<T>): Promise<T> {
  using stack = new DisposableStack();
  if (!Deno.env.get("DEBUG")) muteErrors(stack);
  return await work();
}

function muteErrors(stack: DisposableStack): void {
  const path = LIBC[Deno.build.os];
  if (path === undefined || Deno.permissions.querySync({ name: "ffi" }).state !== "granted") return;
  try {
    const libc = Deno.dlopen(path, {
      dup: { parameters: ["i32"], result: "i32" },
      dup2: { parameters: ["i32", "i32"], result: "i32" },
      open: { parameters: ["buffer", "i32"], result: "i32" },
      close: { parameters: ["i32"], result: "i32" },
    });
    stack.defer(() => libc.close());
    const { dup, dup2, open, close } = libc.symbols;
    const writeOnly = 1;
    const nowhere = open(new TextEncoder().encode("/dev/null\0"), writeOnly);
    if (nowhere < 0) return;
    stack.defer(() => close(nowhere));
    const before = dup(STDERR);
    if (before < 0) return;
    stack.defer(() => {
      dup2(before, STDERR);
      close(before);
    });
    dup2(nowhere, STDERR);
  } catch {
    // a system with another C library: its lines are shown
  }
}
